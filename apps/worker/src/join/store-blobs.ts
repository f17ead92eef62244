import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type BlobStore, BlobStoreUnavailable, openUsed, type StoredBlob } from '@kiln/blobs';
import { artifactKey, contextKey, traceKey } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import { type AttemptRef, type MeteredBlobs, storeArtifact } from '@kiln/state';
import { AWAY_MS, AWAY_RETRY_MS, hasBegun } from './patience.ts';

/** Reads contexts and stores artifacts in the pool's blob store itself. Waits for a store that is away, as `ApiBlobs` does for an API. */
export class StoreBlobs {
  readonly #store: BlobStore;
  readonly #metered: MeteredBlobs;
  readonly #awayMs: number;

  constructor(store: BlobStore, metered: MeteredBlobs, { awayMs = AWAY_MS } = {}) {
    this.#store = store;
    this.#metered = metered;
    this.#awayMs = awayMs;
  }

  /** Opens an uploaded context; undefined if it is no longer stored. @throws BlobStoreUnavailable; the reason of `signal` */
  openContext(digest: string, signal?: AbortSignal): Promise<Readable | undefined> {
    return this.#whenThere(() => openUsed(this.#store, contextKey(digest)), signal);
  }

  /**
   * Stores an artifact. A stream can't be sent twice, so this waits for a store that is away before it starts to send.
   * @throws BlobStoreUnavailable; what `storeArtifact` of state throws
   */
  async storeArtifact(
    { buildId, attempt }: AttemptRef,
    content: Readable,
    record: Pick<BuildRecord, 'team' | 'maxArtifactBytes' | 'maxStoredBytes'>,
  ): Promise<StoredBlob> {
    const key = artifactKey(buildId, attempt);
    await hasBegun(content);
    await this.#whenThere(() => this.#store.stat(key));
    return await storeArtifact(this.#metered, key, content, record);
  }

  /** Stores the record of an attempt. @throws BlobStoreUnavailable */
  async storeTrace({ buildId, attempt }: AttemptRef, packed: Buffer): Promise<void> {
    await this.#store.put(traceKey(buildId, attempt), Readable.from([packed]));
  }

  async #whenThere<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const end = performance.now() + this.#awayMs;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof BlobStoreUnavailable) || performance.now() >= end) throw error;
      }
      await delay(AWAY_RETRY_MS, undefined, signal && { signal });
    }
  }
}
