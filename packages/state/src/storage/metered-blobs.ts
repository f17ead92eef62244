/**
 * A blob store that charges blobs to teams and enforces their quotas.
 *
 * - `put(key, content)` and `adopt` charge a blob to the team of its build if its key names one (`<kind>/<build id>…`, see `buildOfKey`):
 *   logs, pieces of logs, records, artifacts. They are never refused, so that logs are always kept.
 * - `putWithin(key, content, allowance)` is for artifacts, and `beginUpload(allowance)` for the parts of contexts, which `TreeStore` stores itself. Both
 *   may be refused: they charge bytes as they arrive, and stop at the first byte over the quota.
 * - `delete(key)` and `deleteMany(keys)` release the charge.
 *
 * If a process bypasses this, or dies between a blob and its entry, the ledger is wrong until the next recount, which the API runs about
 * once an hour (`recountStorage`).
 */
import { Readable } from 'node:stream';
import type { BlobInfo, BlobRange, BlobStore, ListedBlob, StoredBlob } from '@kiln/blobs';
import { buildOfKey, isCountedKey } from '@kiln/contracts';
import { StorageFull } from './errors.ts';
import { HeldCharge } from './held-charge.ts';
import { MeteredUpload, type UploadAllowance } from './metered-upload.ts';
import type { StorageLedger } from './storage-ledger.ts';

export interface MeteredBlobsDeps {
  readonly ledger: StorageLedger;
  /** The team of a build; undefined if it was purged. */
  readonly teamOf: (buildId: string) => Promise<string | undefined>;
  /** Space reserved for logs, bytes: uploads are refused once less is free. */
  readonly reserveBytes: number;
  readonly now: () => number;
}

/** The default of the space reserved for logs. */
export const DEFAULT_BLOB_RESERVE_BYTES = 1024 * 1024 * 1024;
/** How long a measurement of the free space is used, ms. */
const ROOM_FRESH_MS = 500;

export class MeteredBlobs implements BlobStore {
  readonly #store: BlobStore;
  readonly #deps: MeteredBlobsDeps;
  #room: { readonly at: number; readonly freeBytes: Promise<number> } | undefined;

  constructor(store: BlobStore, deps: MeteredBlobsDeps) {
    this.#store = store;
    this.#deps = deps;
  }

  tempPath(): Promise<string> {
    return this.#store.tempPath();
  }

  async adopt(tempPath: string, key: string): Promise<void> {
    await this.#store.adopt(tempPath, key);
    await this.#count(key);
  }

  async put(key: string, content: Readable): Promise<StoredBlob> {
    const stored = await this.#store.put(key, content);
    await this.#count(key, stored.sizeBytes);
    return stored;
  }

  /** Stores a stream within `allowance`, whole or not at all. @throws BlobTooLarge @throws StorageQuotaExceeded @throws StorageFull */
  async putWithin(key: string, content: Readable, allowance: UploadAllowance): Promise<StoredBlob> {
    await using upload = await this.beginUpload(allowance);
    const stored = await this.#store.put(key, Readable.from(taken(content, upload), { objectMode: false }));
    await upload.settle(key);
    return stored;
  }

  /** Begins an upload that is stored without this. @throws StorageFull */
  beginUpload(allowance: UploadAllowance): Promise<MeteredUpload> {
    const { ledger, now } = this.#deps;
    return MeteredUpload.begin({ ledger, now, checkRoom: () => this.#checkRoom() }, allowance);
  }

  /** Charges a team for a temporary file until the result is disposed of; never refused. @throws Redis' errors */
  hold(team: string, bytes: number): Promise<AsyncDisposable> {
    return HeldCharge.of(this.#deps.ledger, team, bytes);
  }

  open(key: string, range?: BlobRange): Promise<Readable | undefined> {
    return this.#store.open(key, range);
  }

  stat(key: string): Promise<BlobInfo | undefined> {
    return this.#store.stat(key);
  }

  touch(key: string, unusedMs: number): Promise<BlobInfo | undefined> {
    return this.#store.touch(key, unusedMs);
  }

  async delete(key: string): Promise<void> {
    await this.#store.delete(key);
    await this.#deps.ledger.release(key);
  }

  async deleteMany(keys: Iterable<string>): Promise<void> {
    const all = [...keys];
    await this.#store.deleteMany(all);
    for (const key of all) await this.#deps.ledger.release(key);
  }

  list(prefix: string): AsyncIterable<ListedBlob> {
    return this.#store.list(prefix);
  }

  deleteLeftovers(before: number): Promise<number> {
    return this.#store.deleteLeftovers(before);
  }

  async #count(key: string, sizeBytes?: number): Promise<void> {
    const buildId = isCountedKey(key) ? buildOfKey(key) : undefined;
    const team = buildId === undefined ? undefined : await this.#deps.teamOf(buildId);
    if (team === undefined) return;
    const bytes = sizeBytes ?? (await this.#store.stat(key))?.sizeBytes;
    if (bytes !== undefined) await this.#deps.ledger.charge(key, bytes, [{ team }]);
  }

  async #checkRoom(): Promise<void> {
    const { reserveBytes, now } = this.#deps;
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
