import { type ByteString, joinBytes } from '../merkle/byte-string.ts';
import { INLINE_BYTES, inlineFiles, referencesOf } from '../merkle/directory.ts';
import type { DirectoryPart } from '../merkle/parts-stream.ts';
import { entriesOf } from '../merkle/read-entries.ts';
import type { Digest, DirectoryNode } from '../merkle/tree-entry.ts';
import { TreePartMissing, type TreeReader } from '../merkle/tree-reader.ts';
import { ContentSpool } from './content-spool.ts';
import { parentPath } from './timed-entry.ts';
import type { FileContent, ListedEntry, ListedFile, Listing, TreeSource } from './tree-source.ts';

/** Most objects that are asked for at once. */
const MAX_WANTED = 2_048;
const SLASH = 0x2f;
/** How much of the small files that came with their directories is kept in memory; the rest goes to the disk. */
const MEMORY_BYTES = 8 * 1024 * 1024;

export interface MerkleSourceOptions {
  /** A file that doesn't exist yet, for small files, which come with their directories and are needed later. */
  readonly spoolFile: string;
}

/** A stored Merkle tree. Dispose of it after use. */
export class MerkleSource implements TreeSource, AsyncDisposable {
  readonly id: Digest;
  readonly #reader: TreeReader;
  readonly #spool: ContentSpool;
  readonly #nodes = new Map<Digest, DirectoryNode>();
  /** Digests of the listing's directories by path. */
  readonly #directories = new Map<ByteString, Digest>();

  constructor(root: Digest, reader: TreeReader, { spoolFile }: MerkleSourceOptions) {
    this.id = root;
    this.#reader = reader;
    this.#spool = new ContentSpool(spoolFile, MEMORY_BYTES);
    this.#directories.set('' as ByteString, root);
  }

  async list(known: Listing, signal?: AbortSignal): Promise<Listing> {
    const ranges = rangesOf(known);
    await this.#fetch([this.id], (digest) => !ranges.has(digest), signal);
    const entries: ListedEntry[] = [];
    await this.#append(this.id, '' as ByteString, { entries, known, ranges });
    for (const entry of entries)
      if (entry.type === 'directory') this.#directories.set(entry.path, entry.contentId as Digest);
    return entries;
  }

  async *contents(files: readonly ListedFile[], signal?: AbortSignal): AsyncGenerator<FileContent> {
    const small = files.filter(({ sizeBytes }) => sizeBytes > 0 && sizeBytes <= INLINE_BYTES);
    const missing = small.filter(({ contentId }) => !this.#spool.has(contentId));
    const holders = missing.map(({ path }) => this.#directories.get(parentPath(path)) as Digest);
    // Of these, only parts of the same directory are needed, no directories in it.
    await this.#fetchAgain([...new Set(holders)], signal);
    for (const file of small) yield { file, content: this.#spool.get(file.contentId) };
    let left = files.filter(({ sizeBytes }) => sizeBytes > INLINE_BYTES);
    while (left.length > 0) {
      // Files with the same content are read one after the other.
      const round = new Map(left.map((file) => [file.contentId, file]));
      yield* this.#large([...round.values()], signal);
      const done = new Set(round.values());
      left = left.filter((file) => !done.has(file));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool[Symbol.asyncDispose]();
  }

  async *#large(files: readonly ListedFile[], signal: AbortSignal | undefined): AsyncGenerator<FileContent> {
    for (let at = 0; at < files.length; at += MAX_WANTED) {
      const byDigest = new Map(files.slice(at, at + MAX_WANTED).map((file) => [file.contentId, file]));
      const wanted = { directories: [], files: [...byDigest.keys()] as Digest[] };
      for await (const part of this.#reader.read(wanted, signal)) {
        const file = part.type === 'file' ? byDigest.get(part.digest) : undefined;
        if (part.type !== 'file' || !file) continue;
        byDigest.delete(part.digest);
        yield { file, content: part.content };
      }
      for (const digest of byDigest.keys()) throw new TreePartMissing(digest as Digest);
    }
  }

  /** Reads directories and what they name, level by level, as far as `isWanted`. */
  async #fetch(
    roots: readonly Digest[],
    isWanted: (digest: Digest) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let level = new Set(roots.filter(isWanted));
    while (level.size > 0) {
      const below = new Set<Digest>();
      // A part is needed itself, even if it is also some directory that is known.
      for (const node of await this.#read([...level], signal))
        for (const digest of referencesOf(node).directories)
          if (!this.#nodes.has(digest) && (node.type === 'parts' || isWanted(digest))) below.add(digest);
      level = below;
    }
  }

  async #fetchAgain(directories: readonly Digest[], signal: AbortSignal | undefined): Promise<void> {
    const nodes = await this.#read(directories, signal);
    const parts = nodes.flatMap((node) => (node.type === 'parts' ? node.parts : []));
    await this.#read([...new Set(parts)], signal);
  }

  /** @throws TreePartMissing */
  async #read(directories: readonly Digest[], signal: AbortSignal | undefined): Promise<DirectoryNode[]> {
    const nodes: DirectoryNode[] = [];
    for (let at = 0; at < directories.length; at += MAX_WANTED) {
      const wanted = new Set(directories.slice(at, at + MAX_WANTED));
      for await (const part of this.#reader.read({ directories: [...wanted], files: [] }, signal)) {
        if (part.type !== 'directory' || !wanted.delete(part.object.digest)) continue;
        const { digest, node } = part.object;
        await this.#keep(part);
        this.#nodes.set(digest, node);
        nodes.push(node);
      }
      for (const digest of wanted) throw new TreePartMissing(digest);
    }
    return nodes;
  }

  /** Keeps the small files that came with a directory: each is at most `INLINE_BYTES` long. */
  async #keep({ object, content }: DirectoryPart): Promise<void> {
    let rest: Buffer = Buffer.alloc(0);
    const files = inlineFiles(object.node)[Symbol.iterator]();
    let file = files.next().value;
    for await (const chunk of content) {
      rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
      for (; file && rest.length >= file.sizeBytes; file = files.next().value) {
        await this.#spool.put(file.digest, rest.subarray(0, file.sizeBytes));
        rest = rest.subarray(file.sizeBytes);
      }
    }
  }

  async #append(digest: Digest, base: ByteString, into: Assembly): Promise<void> {
    const range = into.ranges.get(digest);
    const node = this.#nodes.get(digest);
    if (!node) {
      if (!range) throw new TreePartMissing(digest);
      const { path, from, to } = range;
      for (let i = from; i < to; i += 1) {
        const entry = into.known[i] as ListedEntry;
        into.entries.push(
          path === base ? entry : { ...entry, path: (base + entry.path.slice(path.length)) as ByteString },
        );
      }
      return;
    }
    const entries = await entriesOf(node, async (part) => {
      const read = this.#nodes.get(part);
      if (!read) throw new TreePartMissing(part);
      return read;
    });
    for (const entry of entries) {
      const path = joinBytes(base, entry.name);
      switch (entry.type) {
        case 'file': {
          const { type, mode, sizeBytes } = entry;
          into.entries.push({ path, type, mode, sizeBytes, contentId: entry.digest });
          break;
        }
        case 'symlink':
          into.entries.push({ path, type: 'symlink', target: entry.target });
          break;
        case 'directory':
          into.entries.push({ path, type: 'directory', mode: entry.mode, contentId: entry.digest });
          await this.#append(entry.digest, path, into);
      }
    }
  }
}

interface Assembly {
  readonly entries: ListedEntry[];
  readonly known: Listing;
  readonly ranges: ReadonlyMap<string, Range>;
}

/** Where the contents of a known directory are in its listing. */
interface Range {
  readonly path: ByteString;
  readonly from: number;
  readonly to: number;
}

function rangesOf(known: Listing): Map<string, Range> {
  const ranges = new Map<string, Range>();
  const open: { path: ByteString; id: string; from: number }[] = [];
  const close = (to: number) => {
    const last = open.pop();
    if (last) ranges.set(last.id, { path: last.path, from: last.from, to });
  };
  for (let i = 0; i < known.length; i += 1) {
    const entry = known[i] as ListedEntry;
    for (let top = open.at(-1); top && !isBelow(entry.path, top.path); top = open.at(-1)) close(i);
    if (entry.type === 'directory') open.push({ path: entry.path, id: entry.contentId, from: i + 1 });
  }
  while (open.length > 0) close(known.length);
  return ranges;
}

/** Makes no text of its own: this is asked for every entry of a listing. */
function isBelow(path: ByteString, directory: ByteString): boolean {
  return path.charCodeAt(directory.length) === SLASH && path.startsWith(directory);
}
