import type { Digest, DirectoryNode, TreePart, WantedParts } from '@kiln/trees';
import { TreePartMissing } from '@kiln/trees';
import pMap from 'p-map';
import type { BlobStore } from '../blob-store.ts';
import { Beginnings } from './beginnings.ts';
import { ConfirmedObjects } from './confirmed-objects.ts';
import type { Exclusively } from './object-batch.ts';
import { isPresent, PresenceBook } from './presence.ts';
import { StoredReader } from './stored-reader.ts';
import { type Root, type Swept, sweepTeam } from './sweep-team.ts';
import { type ObjectKind, objectOfKey, TREES } from './tree-keys.ts';
import type { TreeTotals } from './tree-totals.ts';
import { TreeWriter, type WriteOptions } from './tree-writer.ts';

const LOOKUPS_AT_ONCE = 16;

type TreeBlobs = Pick<
  BlobStore,
  'tempPath' | 'adopt' | 'adoptTogether' | 'open' | 'stat' | 'touch' | 'deleteMany' | 'list'
>;

export interface TreeStoreDeps {
  readonly blobs: TreeBlobs;
  /** How long objects are kept without use, ms. */
  readonly horizonMs: number;
  /** Excludes other processes, too. */
  readonly exclusively: Exclusively;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** Which objects must be sent. */
export interface MissingObjects {
  readonly directories: readonly Digest[];
  /** `storedBytes`: how much of it an interrupted upload left. */
  readonly files: readonly { readonly digest: Digest; readonly storedBytes: number }[];
}

/**
 * Trees, addressed by their content, each team's apart. A directory is stored only when everything that it names is: a stored root means a
 * complete tree. What isn't used for a while is swept.
 */
export class TreeStore implements AsyncDisposable {
  readonly #deps: TreeStoreDeps;
  readonly #presence: PresenceBook;
  readonly #beginnings = new Beginnings();
  readonly #confirmed: ConfirmedObjects;

  constructor(deps: TreeStoreDeps) {
    this.#deps = deps;
    this.#confirmed = new ConfirmedObjects(deps.now);
    this.#presence = new PresenceBook(deps.blobs, deps.horizonMs, deps.now);
  }

  /** Returns which objects aren't present. Those that are stay for an hour at least. */
  async missing(team: string, { directories, files }: WantedParts): Promise<MissingObjects> {
    const absent = await this.#absent(team, 'directory', directories);
    const lacking = await this.#absent(team, 'file', files);
    return {
      directories: absent,
      files: lacking.map((digest) => ({ digest, storedBytes: this.#beginnings.sizeOf(team, digest) })),
    };
  }

  /** Returns what the tree below a directory consists of, if it is present; then all of it is. Counts as a use. */
  async tree(team: string, root: Digest): Promise<TreeTotals | undefined> {
    if (!isPresent(await this.#presence.of(team, 'directory', root))) return undefined;
    return (await this.#reader(team).header(root))?.totals;
  }

  /** Returns the size of a file that has an object of its own, if it is present. Counts as a use. */
  async file(team: string, digest: Digest): Promise<number | undefined> {
    const presence = await this.#presence.of(team, 'file', digest);
    return isPresent(presence) ? presence.sizeBytes : undefined;
  }

  /** @throws TreePartMissing */
  async directory(team: string, digest: Digest): Promise<DirectoryNode> {
    const object = await this.#reader(team).directory(digest);
    if (!object) throw new TreePartMissing(digest);
    return object.node;
  }

  /** Opens objects of a team, present or about to be swept, for reading in the order in which they are wanted. @throws TreePartMissing */
  open(team: string, wanted: WantedParts): Promise<AsyncIterable<TreePart>> {
    return this.#reader(team).parts(wanted);
  }

  /** Begins to store objects. */
  write(options: WriteOptions): TreeWriter {
    const { blobs, exclusively, now } = this.#deps;
    const deps = {
      blobs,
      exclusively,
      now,
      presence: this.#presence,
      beginnings: this.#beginnings,
      confirmed: this.#confirmed,
    };
    return new TreeWriter({ ...deps, reader: this.#reader(options.team) }, options);
  }

  /** Returns the teams that have objects. */
  async teams(signal?: AbortSignal): Promise<ReadonlySet<string>> {
    const teams = new Set<string>();
    for await (const { key } of this.#deps.blobs.list(TREES)) {
      signal?.throwIfAborted();
      const team = objectOfKey(key)?.team;
      if (team !== undefined) teams.add(team);
    }
    return teams;
  }

  /** Deletes what a team no longer needs: see `sweepTeam`. */
  sweep(team: string, roots: AsyncIterable<Root> | Iterable<Root>, signal?: AbortSignal): Promise<Swept> {
    const { horizonMs, now } = this.#deps;
    const options = { team, roots, horizonMs, now: now(), signal };
    return sweepTeam({ ...this.#deps, reader: this.#reader(team) }, options);
  }

  /** Deletes the temporary files of interrupted uploads. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#beginnings[Symbol.asyncDispose]();
  }

  async #absent(team: string, kind: ObjectKind, digests: readonly Digest[]): Promise<Digest[]> {
    const present = await pMap(digests, async (digest) => isPresent(await this.#presence.of(team, kind, digest)), {
      concurrency: LOOKUPS_AT_ONCE,
    });
    return digests.filter((_, i) => !present[i]);
  }

  #reader(team: string): StoredReader {
    return new StoredReader(this.#deps.blobs, team);
  }
}
