import { type Digest, referencesOf } from '@kiln/trees';
import pMap from 'p-map';
import { batches } from '../batches.ts';
import type { BlobStore } from '../blob-store.ts';
import type { Exclusively } from './object-batch.ts';
import { GRACE_MS } from './presence.ts';
import type { StoredReader } from './stored-reader.ts';
import { type ObjectKind, objectKey, objectOfKey, objectsPrefix } from './tree-keys.ts';

/** Objects that are deleted under one lock: uploads of old objects wait for it. */
const BATCH = 256;
const AT_ONCE = 16;

export interface Swept {
  readonly deleted: number;
  readonly deletedBytes: number;
  /** Bytes of all objects that are left. */
  readonly keptBytes: number;
}

export interface SweepDeps {
  readonly blobs: Pick<BlobStore, 'list' | 'stat' | 'deleteMany'>;
  readonly reader: StoredReader;
  readonly exclusively: Exclusively;
}

export interface SweepOptions {
  readonly team: string;
  readonly horizonMs: number;
  /** Objects whose trees are kept regardless of their age: those of builds that haven't ended. */
  readonly roots: AsyncIterable<Root> | Iterable<Root>;
  /** When the sweep begins, ms since the epoch. */
  readonly now: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Root {
  readonly kind: ObjectKind;
  readonly digest: Digest;
}

/**
 * Deletes what a team's trees no longer need: everything that hasn't been used for horizon and grace, and can't be reached from a root or from a directory
 * that has. Safe beside uploads and builds: see `PresenceBook`. Keeps the names of the team's objects in memory.
 * @throws what the blob store throws; StoreDamaged: then nothing is deleted, as it isn't known what is needed
 */
export async function sweepTeam(
  { blobs, reader, exclusively }: SweepDeps,
  { team, horizonMs, roots, now, signal }: SweepOptions,
): Promise<Swept> {
  const unusedSince = now - horizonMs - GRACE_MS;
  const garbage = new Garbage(reader);
  let keptBytes = 0;
  for (const kind of ['file', 'directory'] as const) {
    for await (const { key, sizeBytes, usedAt } of blobs.list(objectsPrefix(team, kind))) {
      signal?.throwIfAborted();
      const digest = objectOfKey(key)?.digest;
      if (!digest) continue;
      keptBytes += sizeBytes;
      if (usedAt < unusedSince) garbage.add(kind, digest, sizeBytes);
      else if (kind === 'directory') garbage.keepBelow(digest);
    }
  }
  if (!garbage.isEmpty) {
    for await (const { kind, digest } of roots) garbage.keep(kind, digest);
    await garbage.mark(signal);
  }
  const swept = { deleted: 0, deletedBytes: 0, keptBytes };
  for (const batch of batches(garbage.left(), BATCH)) {
    signal?.throwIfAborted();
    const doomed = batch.map(({ kind, digest, sizeBytes }) => ({ key: objectKey(team, kind, digest), sizeBytes }));
    await exclusively(team, async () => {
      // Some may have been stored again.
      const still = await pMap(doomed, async ({ key }) => ((await blobs.stat(key))?.usedAt ?? now) < unusedSince, {
        concurrency: AT_ONCE,
      });
      const gone = doomed.filter((_, i) => still[i]);
      await blobs.deleteMany(gone.map(({ key }) => key));
      const bytes = gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      swept.deleted += gone.length;
      swept.deletedBytes += bytes;
      swept.keptBytes -= bytes;
    });
  }
  return swept;
}

/** Old objects, of which those that are still needed are taken out again. */
class Garbage {
  readonly #reader: StoredReader;
  readonly #old = { directory: new Map<Digest, number>(), file: new Map<Digest, number>() };
  /** Directories whose contents are still needed, seen or not. */
  readonly #needed = new Set<Digest>();
  readonly #unseen: Digest[] = [];

  constructor(reader: StoredReader) {
    this.#reader = reader;
  }

  get isEmpty(): boolean {
    return this.#old.directory.size === 0 && this.#old.file.size === 0;
  }

  add(kind: ObjectKind, digest: Digest, sizeBytes: number): void {
    this.#old[kind].set(digest, sizeBytes);
  }

  /** Keeps an object and, if it is a directory, everything below it. */
  keep(kind: ObjectKind, digest: Digest): void {
    this.#old[kind].delete(digest);
    if (kind === 'directory') this.keepBelow(digest);
  }

  keepBelow(digest: Digest): void {
    if (this.#needed.has(digest)) return;
    this.#needed.add(digest);
    this.#unseen.push(digest);
  }

  /** Follows all references, until nothing old is left. */
  async mark(signal: AbortSignal | undefined): Promise<void> {
    while (this.#unseen.length > 0 && !this.isEmpty) {
      signal?.throwIfAborted();
      const some = this.#unseen.splice(-AT_ONCE);
      const objects = await Promise.all(some.map((digest) => this.#reader.directory(digest)));
      for (const object of objects) {
        // One that is gone has been deleted by hand, or was that of a build whose tree is gone.
        const { directories, files } = object ? referencesOf(object.node) : { directories: [], files: [] };
        for (const digest of directories) this.keep('directory', digest);
        for (const { digest } of files) this.keep('file', digest);
      }
    }
  }

  *left(): Generator<{ kind: ObjectKind; digest: Digest; sizeBytes: number }> {
    for (const kind of ['directory', 'file'] as const) {
      for (const [digest, sizeBytes] of this.#old[kind]) yield { kind, digest, sizeBytes };
    }
  }
}
