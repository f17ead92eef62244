import { rm } from 'node:fs/promises';
import type { Digest } from '@kiln/trees';
import pMap from 'p-map';
import type { Adoption, BlobStore } from '../blob-store.ts';
import type { Presence } from './presence.ts';
import { type ObjectKind, objectKey } from './tree-keys.ts';
import type { TreeTotals } from './tree-totals.ts';

/** How many objects are stored together, so that making them durable costs little for each. */
const MAX_OBJECTS = 1024;
const MAX_BYTES = 128 * 1024 * 1024;
/** How long the first of them may wait, ms: until then a process that dies loses it. */
const MAX_WAIT_MS = 2_000;
const AT_ONCE = 16;

/** An object that has arrived and was checked, in a temporary file. */
export interface PendingObject {
  readonly kind: ObjectKind;
  readonly digest: Digest;
  readonly path: string;
  readonly sizeBytes: number;
  /** Only of directories. */
  readonly totals?: TreeTotals;
  /** It must be stored after all objects of lower ranks, which it may name. */
  readonly rank: number;
  /** If it is stale, the sweep may be deleting an old blob of the same key. */
  readonly presence: Exclude<Presence, object>;
}

export type BatchBlobs = Pick<BlobStore, 'adopt' | 'adoptTogether'>;

/** Keeps the sweep from deleting objects of a team while `work` runs. */
export type Exclusively = <T>(team: string, work: () => Promise<T>) => Promise<T>;

/** Objects of one team that wait to be stored together: what is named always before what names it. Disposing of it deletes those not stored. */
export class ObjectBatch implements AsyncDisposable {
  readonly #blobs: BatchBlobs;
  readonly #team: string;
  readonly #exclusively: Exclusively;
  readonly #onStored: (object: PendingObject) => void;
  readonly #pending = new Map<string, PendingObject>();
  #bytes = 0;
  #newBytes = 0;
  /** When the first of them was added. */
  #since = 0;

  /** @param onStored called with each object that is durable */
  constructor(blobs: BatchBlobs, team: string, exclusively: Exclusively, onStored: (object: PendingObject) => void) {
    this.#blobs = blobs;
    this.#team = team;
    this.#exclusively = exclusively;
    this.#onStored = onStored;
  }

  get(kind: ObjectKind, digest: Digest): PendingObject | undefined {
    return this.#pending.get(`${kind} ${digest}`);
  }

  /** Bytes of the objects stored so far that were absent before. */
  get newBytes(): number {
    return this.#newBytes;
  }

  /** Adds an object, whose file it takes over. Stores everything if there is enough. @throws what the blob store throws */
  async add(object: PendingObject): Promise<void> {
    if (this.#pending.size === 0) this.#since = performance.now();
    this.#pending.set(`${object.kind} ${object.digest}`, object);
    this.#bytes += object.sizeBytes;
    if (this.#pending.size >= MAX_OBJECTS || this.#bytes >= MAX_BYTES) await this.flush();
    else await this.flushIfOld();
  }

  /** Stores everything if the first of it has waited for long enough; to be called while nothing is added. @throws as `flush` */
  async flushIfOld(): Promise<void> {
    if (this.#pending.size > 0 && performance.now() - this.#since > MAX_WAIT_MS) await this.flush();
  }

  /** Stores everything durably. @throws what the blob store throws; then the rest is dropped, so that no object is without what it names */
  async flush(): Promise<void> {
    try {
      await this.#flush();
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { path } of this.#pending.values()) await rm(path, { force: true });
    this.#pending.clear();
    this.#bytes = 0;
  }

  async #flush(): Promise<void> {
    const objects = [...this.#pending.values()];
    const byRank = [...Map.groupBy(objects, ({ rank }) => rank)].sort(([a], [b]) => a - b);
    const groups = byRank.map(([, group]) => group);
    const store = () => this.#store(groups);
    await (objects.some(({ presence }) => presence === 'stale') ? this.#exclusively(this.#team, store) : store());
  }

  async #store(groups: readonly (readonly PendingObject[])[]): Promise<void> {
    const adoptions = groups.map((group) => group.map((object) => this.#adoption(object)));
    const stored = (at: number) => this.#stored(groups[at] ?? []);
    if (this.#blobs.adoptTogether) return this.#blobs.adoptTogether(adoptions, stored);
    for (const [at, group] of adoptions.entries()) {
      await pMap(group, ({ tempPath, key }) => this.#blobs.adopt(tempPath, key), { concurrency: AT_ONCE });
      stored(at);
    }
  }

  #adoption({ kind, digest, path }: PendingObject): Adoption {
    return { tempPath: path, key: objectKey(this.#team, kind, digest) };
  }

  #stored(objects: readonly PendingObject[]): void {
    for (const object of objects) {
      const { kind, digest, sizeBytes, presence } = object;
      if (presence === 'absent') this.#newBytes += sizeBytes;
      this.#pending.delete(`${kind} ${digest}`);
      this.#bytes -= sizeBytes;
      this.#onStored(object);
    }
  }
}
