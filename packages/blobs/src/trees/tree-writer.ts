import { rm } from 'node:fs/promises';
import {
  type Digest,
  type DirectoryObject,
  type DirectoryPart,
  type FilePart,
  partEntries,
  partOf,
  referencesOf,
  shownBytes,
  TreeCutOff,
  TreeFault,
  type TreePart,
} from '@kiln/trees';
import pMap from 'p-map';
import type { BlobStore } from '../blob-store.ts';
import type { Beginnings, Hold } from './beginnings.ts';
import { type ConfirmedObjects, REMEMBERED_MS } from './confirmed-objects.ts';
import { NoSuchBeginning, TreeIncomplete } from './errors.ts';
import { type Exclusively, ObjectBatch } from './object-batch.ts';
import { isPresent, type Presence, type PresenceBook } from './presence.ts';
import { encodeHeader } from './stored-directory.ts';
import type { StoredReader } from './stored-reader.ts';
import { digestOfFile, TempFile } from './temp-file.ts';
import type { ObjectKind } from './tree-keys.ts';
import { checkTotals, type TreeLimits, type TreeTotals, totalsOf } from './tree-totals.ts';

const LOOKUPS_AT_ONCE = 16;
/** How many objects are remembered as present or waiting to be stored. */
const MAX_REMEMBERED = 100_000;

export interface WriterDeps {
  readonly blobs: Pick<BlobStore, 'tempPath' | 'adopt' | 'adoptTogether'>;
  readonly presence: PresenceBook;
  /** What other uploads have found. */
  readonly confirmed: ConfirmedObjects;
  readonly reader: StoredReader;
  readonly beginnings: Beginnings;
  readonly exclusively: Exclusively;
  readonly now: () => number;
}

export interface WriteOptions {
  readonly team: string;
  readonly limits: TreeLimits;
  /** Called for bytes before they are stored. Not for those that are stored already. */
  readonly take: (bytes: number) => Promise<void>;
  /** Called for the beginning of a file whose upload was interrupted, before it is kept. Default: it isn't charged to anyone. */
  readonly hold?: Hold;
}

/** What a writer got. */
export interface Written {
  readonly directories: number;
  readonly files: number;
  readonly bytes: number;
  /** Those of `bytes` that weren't stored before, and are since a `flush`. */
  readonly newBytes: number;
}

/**
 * Stores objects of a team one after the other, a directory only when everything that it names is stored. Nothing is durable before `flush`. Disposing of
 * it drops what wasn't flushed.
 */
export class TreeWriter implements AsyncDisposable {
  readonly #deps: WriterDeps;
  readonly #options: WriteOptions;
  readonly #batch: ObjectBatch;
  readonly #written = { directories: 0, files: 0, bytes: 0 };
  /** Sizes of files, and totals of directories, that are present, by kind and digest. */
  #known = new Map<string, number | TreeTotals>();
  #knownSince: number;

  constructor(deps: WriterDeps, options: WriteOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#batch = new ObjectBatch(deps.blobs, options.team, deps.exclusively, ({ kind, digest, sizeBytes, totals }) =>
      deps.confirmed.add(options.team, kind, digest, totals ?? sizeBytes),
    );
    this.#knownSince = deps.now();
  }

  get written(): Written {
    return { ...this.#written, newBytes: this.#batch.newBytes };
  }

  /**
   * Adds an object whose content checks itself, as that of `readParts` does, unless it is the rest of a file.
   * @throws TreeFault @throws TreeIncomplete @throws NoSuchBeginning @throws what `take` or the blob store throws
   */
  add(part: TreePart): Promise<void> {
    return part.type === 'directory' ? this.#addDirectory(part) : this.#addFile(part);
  }

  /** Adds a file whose content is the file at `path`, which it takes over. `digest` must be right. */
  async adopt(digest: Digest, sizeBytes: number, path: string): Promise<void> {
    const presence = await this.#presence('file', digest);
    this.#count('files', sizeBytes);
    if (isPresent(presence)) return rm(path, { force: true });
    await this.#batch.add({ kind: 'file', digest, path, sizeBytes, rank: 0, presence });
    this.#remember('file', digest, sizeBytes);
  }

  /** Makes everything that was added so far durable. @throws what the blob store throws */
  flush(): Promise<void> {
    return this.#batch.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#batch[Symbol.asyncDispose]();
  }

  async #addDirectory({ object, content }: DirectoryPart): Promise<void> {
    const { digest, bytes } = object;
    const presence = await this.#presence('directory', digest);
    if (isPresent(presence)) return this.#count('directories', presence.sizeBytes);
    const checkedAt = this.#deps.now();
    const checked = await this.#check(object);
    const { totals } = checked;
    await using temp = await TempFile.create(await this.#deps.blobs.tempPath());
    const header = encodeHeader(object, totals);
    await this.#options.take(header.length + bytes.length);
    await temp.write(header);
    await temp.write(bytes);
    for await (const chunk of content) {
      await this.#options.take(chunk.length);
      await temp.write(chunk);
      await this.#batch.flushIfOld();
    }
    await temp.finish();
    // A slow client may have sent its files for so long that what it names was swept.
    const isLate = this.#deps.now() - checkedAt > REMEMBERED_MS;
    const rank = isLate ? (await this.#check(object)).rank : checked.rank;
    const { sizeBytes } = temp;
    const rest = { path: temp.release(), sizeBytes, totals, rank, presence };
    await this.#batch.add({ kind: 'directory', digest, ...rest });
    this.#count('directories', sizeBytes);
    this.#remember('directory', digest, totals);
  }

  async #addFile({ digest, sizeBytes, offset, content }: FilePart): Promise<void> {
    const presence = await this.#presence('file', digest);
    if (isPresent(presence)) return this.#count('files', sizeBytes);
    await using temp = await this.#fileFor(digest, offset);
    if (offset > 0) await this.#options.take(offset);
    await this.#receive(temp, digest, content);
    if (offset > 0) {
      const got = await digestOfFile(temp.path);
      if (got !== digest) throw new TreeFault(`content with the digest ${got}`, digest);
    }
    await this.#batch.add({ kind: 'file', digest, path: temp.release(), sizeBytes, rank: 0, presence });
    this.#count('files', sizeBytes);
    this.#remember('file', digest, sizeBytes);
  }

  /** Opens a new file, or one that goes on at `offset`. @throws NoSuchBeginning */
  async #fileFor(digest: Digest, offset: number): Promise<TempFile> {
    const { blobs, beginnings } = this.#deps;
    const { team } = this.#options;
    if (offset === 0) return TempFile.create(await blobs.tempPath());
    const storedBytes = beginnings.sizeOf(team, digest);
    const path = storedBytes >= offset ? await beginnings.take(team, digest) : undefined;
    if (path === undefined) throw new NoSuchBeginning(digest, offset, storedBytes);
    return TempFile.continue(path, offset);
  }

  /** Writes content to a file, and finishes it. If the content is interrupted, the file is kept as a beginning. */
  async #receive(temp: TempFile, digest: Digest, content: AsyncIterable<Uint8Array>): Promise<void> {
    const chunks = content[Symbol.asyncIterator]();
    for (;;) {
      const next = await chunks.next().catch(async (error: unknown) => {
        const isInterrupted = !(error instanceof TreeFault) || error instanceof TreeCutOff;
        if (isInterrupted) await this.#keepBeginning(temp, digest);
        throw error;
      });
      if (next.done) break;
      await this.#options.take(next.value.length);
      await temp.write(next.value);
      // A large file may take long: what arrived before it doesn't wait.
      await this.#batch.flushIfOld();
    }
    await temp.finish();
  }

  async #keepBeginning(temp: TempFile, digest: Digest): Promise<void> {
    await temp.finish();
    const { team, hold } = this.#options;
    await this.#deps.beginnings.keep(team, digest, temp.release(), temp.sizeBytes, hold);
  }

  /** Checks that all that a directory names is stored and is what it says. */
  async #check(object: DirectoryObject): Promise<{ totals: TreeTotals; rank: number }> {
    const { directories, files } = referencesOf(object.node);
    const totals = new Map<Digest, TreeTotals>();
    await pMap(new Set(directories), async (digest) => totals.set(digest, await this.#totals(object, digest)), {
      concurrency: LOOKUPS_AT_ONCE,
    });
    const sizes = new Map<Digest, number>();
    await pMap(
      new Set(files.map(({ digest }) => digest)),
      async (digest) => sizes.set(digest, await this.#size(object, digest)),
      { concurrency: LOOKUPS_AT_ONCE },
    );
    for (const { name, sizeBytes, digest } of files) {
      const got = sizes.get(digest);
      if (got !== sizeBytes)
        throw new TreeFault(`a size of ${sizeBytes} bytes`, `${got}, the size of its content`, shownBytes(name));
    }
    const all = totalsOf(object.node, (digest) => totals.get(digest as Digest) as TreeTotals);
    checkTotals(all, this.#options.limits);
    if (object.node.type === 'parts') await this.#checkParts(object.node.parts);
    const ranks = [
      ...directories.map((digest) => this.#batch.get('directory', digest)?.rank ?? -1),
      ...files.map(({ digest }) => this.#batch.get('file', digest)?.rank ?? -1),
    ];
    return { totals: all, rank: ranks.reduce((most, rank) => Math.max(most, rank), -1) + 1 };
  }

  async #checkParts(parts: readonly Digest[]): Promise<void> {
    // They are read from the store.
    await this.#batch.flush();
    let before = -1;
    for (const digest of parts) {
      const object = await this.#deps.reader.directory(digest);
      if (!object) throw new TreeFault(`the part ${digest}, which was deleted meanwhile`, 'parts that are stored');
      const [first] = partEntries(object.node, before);
      if (first) before = partOf(first.name);
    }
  }

  async #totals({ digest: directory }: DirectoryObject, digest: Digest): Promise<TreeTotals> {
    const known = this.#batch.get('directory', digest)?.totals ?? this.#recall('directory', digest);
    if (typeof known === 'object') return known;
    const { confirmed, reader } = this.#deps;
    const { team } = this.#options;
    const isThere = isPresent(await this.#presence('directory', digest));
    const totals = isThere ? (confirmed.totals(team, digest) ?? (await reader.header(digest))?.totals) : undefined;
    if (!totals) throw new TreeIncomplete(directory, 'directory', digest);
    confirmed.add(team, 'directory', digest, totals);
    return totals;
  }

  async #size({ digest: directory }: DirectoryObject, digest: Digest): Promise<number> {
    const known = this.#recall('file', digest);
    if (typeof known === 'number') return known;
    const pending = this.#batch.get('file', digest);
    if (pending) return pending.sizeBytes;
    const presence = await this.#presence('file', digest);
    if (!isPresent(presence)) throw new TreeIncomplete(directory, 'file', digest);
    this.#deps.confirmed.add(this.#options.team, 'file', digest, presence.sizeBytes);
    return presence.sizeBytes;
  }

  /** What waits to be stored counts as present. */
  async #presence(kind: ObjectKind, digest: Digest): Promise<Presence> {
    const pending = this.#batch.get(kind, digest);
    if (pending) return { sizeBytes: pending.sizeBytes, usedAt: this.#deps.now() };
    return this.#deps.presence.of(this.#options.team, kind, digest);
  }

  #count(what: 'directories' | 'files', bytes: number): void {
    this.#written[what] += 1;
    this.#written.bytes += bytes;
  }

  #remember(kind: ObjectKind, digest: Digest, what: number | TreeTotals): void {
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.set(`${kind} ${digest}`, what);
  }

  #recall(kind: ObjectKind, digest: Digest): number | TreeTotals | undefined {
    if (this.#deps.now() - this.#knownSince > REMEMBERED_MS) {
      this.#known = new Map();
      this.#knownSince = this.#deps.now();
    }
    return this.#known.get(`${kind} ${digest}`) ?? this.#deps.confirmed.find(this.#options.team, kind, digest);
  }
}
