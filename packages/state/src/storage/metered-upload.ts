import { randomUUID } from 'node:crypto';
import { BlobTooLarge, StorageQuotaExceeded } from './errors.ts';
import type { StorageLedger, StorageShare } from './storage-ledger.ts';

/** Bytes of an upload are charged ahead in steps of this size, with one call to Redis each. */
const STEP_BYTES = 4 * 1024 * 1024;
/** A charge without a blob is renewed this often, ms, because `recountStorage` removes such entries after ten minutes. */
export const RENEW_MS = 60_000;

/** How much an upload may store. */
export interface UploadAllowance {
  /** The team to charge; absent: none until the upload is settled. */
  readonly share?: StorageShare | undefined;
  /** Limit on this upload. */
  readonly maxBytes?: number | undefined;
}

export interface UploadDeps {
  readonly ledger: StorageLedger;
  /** @throws StorageFull */
  readonly checkRoom: () => Promise<void>;
  readonly now: () => number;
}

/**
 * Charges an upload to its team while it arrives, so that concurrent uploads can't exceed the quota together. Disposing of it releases the
 * charge unless it was settled.
 */
export class MeteredUpload implements AsyncDisposable {
  readonly #deps: UploadDeps;
  readonly #allowance: UploadAllowance;
  /** Key of its entry in the ledger; no blob has such a key. */
  readonly #key = `uploads/${randomUUID()}`;
  #arrived = 0;
  #counted = 0;
  #countedAt = Number.NEGATIVE_INFINITY;
  #isCounted = false;

  private constructor(deps: UploadDeps, allowance: UploadAllowance) {
    this.#deps = deps;
    this.#allowance = allowance;
  }

  /** Begins an upload. @throws StorageFull */
  static async begin(deps: UploadDeps, allowance: UploadAllowance): Promise<MeteredUpload> {
    await deps.checkRoom();
    return new MeteredUpload(deps, allowance);
  }

  /** Charges the next `bytes` before they are written. @throws BlobTooLarge @throws StorageQuotaExceeded @throws StorageFull */
  async take(bytes: number): Promise<void> {
    this.#arrived += bytes;
    const { maxBytes } = this.#allowance;
    if (maxBytes !== undefined && this.#arrived > maxBytes) throw new BlobTooLarge(maxBytes);
    const { now, checkRoom } = this.#deps;
    if (this.#arrived <= this.#counted && now() - this.#countedAt < RENEW_MS) return;
    await checkRoom();
    const ahead = Math.min(Math.ceil(this.#arrived / STEP_BYTES) * STEP_BYTES, maxBytes ?? Number.POSITIVE_INFINITY);
    await this.#count(ahead).catch((error: unknown) => {
      if (!(error instanceof StorageQuotaExceeded) || ahead === this.#arrived) throw error;
      return this.#count(this.#arrived);
    });
  }

  /** Moves the charge to the blob `key`. @throws StorageQuotaExceeded */
  async settle(key: string): Promise<void> {
    const { ledger } = this.#deps;
    const { share } = this.#allowance;
    if (share) await ledger.charge(key, this.#arrived, [share], this.#isCounted ? { from: this.#key } : {});
    this.#isCounted = false;
  }

  /** Charges what has arrived to a team, if none was known before. @throws StorageQuotaExceeded */
  async chargeTo(share: StorageShare): Promise<void> {
    if (this.#isCounted || this.#arrived === 0) return;
    this.#isCounted = true;
    await this.#deps.ledger.charge(this.#key, this.#arrived, [share]);
  }

  /** Ends this charge, and adds `bytes` to that of `key`, which stands for many blobs of the same team. */
  async settleInto(key: string, bytes: number, share: StorageShare | undefined = this.#allowance.share): Promise<void> {
    if (!share || !this.#isCounted) return;
    await this.#deps.ledger.add(key, bytes, share.team, this.#key);
    this.#isCounted = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isCounted) await this.#deps.ledger.release(this.#key);
    this.#isCounted = false;
  }

  async #count(bytes: number): Promise<void> {
    const { ledger, now } = this.#deps;
    const { share } = this.#allowance;
    if (share) {
      // Set before the call, in case its answer is lost; releasing a missing entry is harmless.
      this.#isCounted = true;
      await ledger.charge(this.#key, bytes, [share]);
    }
    this.#counted = bytes;
    this.#countedAt = now();
  }
}
