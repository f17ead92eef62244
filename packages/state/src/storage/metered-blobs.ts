/**
 * The door to the blob store: callers that store or delete a blob through it need not care for quotas.
 *
 * - `put(key, content)` and `adopt` count a blob for its team by itself, where its key tells its build (`<kind>/<build id>…`, see
 *   `buildOfKey`): logs, pieces of logs, records, artifacts. They are never refused: a log is always kept.
 * - `putWithin(key, content, allowance)` and `beginUpload(allowance)` are for what may be refused: contexts, artifacts. They count while
 *   the bytes come, and stop at the first that is too many.
 * - `delete(key)` gives the bytes back.
 * - `share(key, share)` counts a blob that is there for one more team, which may name it from then on.
 *
 * A process that writes past this door (or dies between a blob and its entry) leaves a difference until the next recount, which
 * the API makes about once an hour (`recountStorage`).
 */
import { Readable } from 'node:stream';
import { buildOfKey, isCountedKey } from '@kiln/contracts';
import type { BlobInfo, BlobStore } from '../blobs/fs-blob-store.ts';
import { StorageFull } from './errors.ts';
import { MeteredUpload, type UploadAllowance } from './metered-upload.ts';
import type { StorageLedger, StorageShare } from './storage-ledger.ts';

export interface MeteredBlobsParts {
  readonly ledger: StorageLedger;
  /** The team of a build; undefined where it is no longer kept. */
  readonly teamOf: (buildId: string) => Promise<string | undefined>;
  /** Room that is kept for logs: uploads are refused once less is left. */
  readonly reserveBytes: number;
  readonly now: () => number;
}

/** Room that is kept for logs where nobody has set another one. */
export const DEFAULT_BLOB_RESERVE_BYTES = 1024 * 1024 * 1024;
/** How long one look at the room that is left holds, ms. */
const ROOM_FRESH_MS = 500;

export class MeteredBlobs implements BlobStore {
  readonly #store: BlobStore;
  readonly #parts: MeteredBlobsParts;
  #room: { readonly at: number; readonly freeBytes: Promise<number> } | undefined;

  constructor(store: BlobStore, parts: MeteredBlobsParts) {
    this.#store = store;
    this.#parts = parts;
  }

  tempPath(): Promise<string> {
    return this.#store.tempPath();
  }

  /** `upload` has counted the bytes of the file. @throws StorageQuotaExceeded where `upload` or `share` charges too much */
  async adopt(
    tempPath: string,
    key: string,
    { upload, share }: { readonly upload?: MeteredUpload; readonly share?: StorageShare } = {},
  ): Promise<void> {
    // First the entry: without a blob it goes after a while, a blob without one counts for nobody until the next recount.
    await upload?.settle(key, share);
    await this.#store.adopt(tempPath, key);
    if (!upload) await this.#count(key);
  }

  async put(key: string, content: Readable): Promise<{ digest: string; sizeBytes: number }> {
    const stored = await this.#store.put(key, content);
    await this.#count(key, stored.sizeBytes);
    return stored;
  }

  /** Stores a stream whole, within `allowance`, or not at all. @throws BlobTooLarge @throws StorageQuotaExceeded @throws StorageFull */
  async putWithin(
    key: string,
    content: Readable,
    allowance: UploadAllowance,
  ): Promise<{ digest: string; sizeBytes: number }> {
    await using upload = await this.beginUpload(allowance);
    const stored = await this.#store.put(key, Readable.from(taken(content, upload), { objectMode: false }));
    await upload.settle(key);
    return stored;
  }

  /** Begins an upload that is stored by `adopt`. @throws StorageFull */
  beginUpload(allowance: UploadAllowance): Promise<MeteredUpload> {
    const { ledger, now } = this.#parts;
    return MeteredUpload.begin({ ledger, now, checkRoom: () => this.#checkRoom() }, allowance);
  }

  /** Counts a blob that is there for one more team. @throws StorageQuotaExceeded */
  async share(key: string, share: StorageShare): Promise<void> {
    const info = await this.#store.stat(key);
    if (info) await this.#parts.ledger.charge(key, info.sizeBytes, [share]);
  }

  open(key: string, range?: { start?: number; end?: number }): Promise<Readable | undefined> {
    return this.#store.open(key, range);
  }

  stat(key: string): Promise<BlobInfo | undefined> {
    return this.#store.stat(key);
  }

  async delete(key: string): Promise<void> {
    await this.#store.delete(key);
    await this.#parts.ledger.release(key);
  }

  list(prefix: string): AsyncIterable<string> {
    return this.#store.list(prefix);
  }

  async #count(key: string, sizeBytes?: number): Promise<void> {
    const buildId = isCountedKey(key) ? buildOfKey(key) : undefined;
    const team = buildId === undefined ? undefined : await this.#parts.teamOf(buildId);
    if (team === undefined) return;
    const bytes = sizeBytes ?? (await this.#store.stat(key))?.sizeBytes;
    if (bytes !== undefined) await this.#parts.ledger.charge(key, bytes, [{ team }]);
  }

  async #checkRoom(): Promise<void> {
    const { reserveBytes, now } = this.#parts;
    if (!this.#store.freeBytes || reserveBytes === 0) return;
    if (!this.#room || now() - this.#room.at >= ROOM_FRESH_MS) {
      this.#room = { at: now(), freeBytes: this.#store.freeBytes() };
    }
    const freeBytes = await this.#room.freeBytes;
    if (freeBytes < reserveBytes) throw new StorageFull(freeBytes, reserveBytes);
  }
}

async function* taken(content: Readable, upload: MeteredUpload): AsyncGenerator<Buffer> {
  for await (const chunk of content as AsyncIterable<Buffer>) {
    await upload.take(chunk.length);
    yield chunk;
  }
}
