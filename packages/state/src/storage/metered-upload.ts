import { randomUUID } from 'node:crypto';
import { BlobTooLarge, StorageQuotaExceeded } from './errors.ts';
import type { StorageLedger, StorageShare } from './storage-ledger.ts';

/** An upload's bytes are counted ahead in pieces of so many: a call to Redis for each. */
const STEP_BYTES = 4 * 1024 * 1024;
/** However slowly it comes, an upload is counted anew after so long, ms: `recountStorage` takes an entry without a blob for a dead one after ten minutes. */
const RENEW_MS = 60_000;

/** What an upload may take. */
export interface UploadAllowance {
  /** Absent: nobody is charged until it is settled. */
  readonly share?: StorageShare | undefined;
  /** Of this one upload. */
  readonly maxBytes?: number | undefined;
}

export interface UploadParts {
  readonly ledger: StorageLedger;
  /** @throws StorageFull */
  readonly checkRoom: () => Promise<void>;
  readonly now: () => number;
}

/**
 * Counts an upload against its team's quota while it comes. Its bytes are the team's from the first one on, so that uploads side by side
 * can't together take more than there is. Disposing of it gives back what was not settled.
 */
export class MeteredUpload implements AsyncDisposable {
  readonly #parts: UploadParts;
  readonly #allowance: UploadAllowance;
  /** Of its entry in the ledger; no blob has such a key. */
  readonly #key = `uploads/${randomUUID()}`;
  #came = 0;
  #counted = 0;
  #countedAt = Number.NEGATIVE_INFINITY;
  #isCounted = false;

  private constructor(parts: UploadParts, allowance: UploadAllowance) {
    this.#parts = parts;
    this.#allowance = allowance;
  }

  /** @throws StorageFull */
  static async begin(parts: UploadParts, allowance: UploadAllowance): Promise<MeteredUpload> {
    await parts.checkRoom();
    return new MeteredUpload(parts, allowance);
  }

  /** Admits the next `bytes`, before they are written. @throws BlobTooLarge @throws StorageQuotaExceeded @throws StorageFull */
  async take(bytes: number): Promise<void> {
    this.#came += bytes;
    const { maxBytes } = this.#allowance;
    if (maxBytes !== undefined && this.#came > maxBytes) throw new BlobTooLarge(maxBytes);
    const { now, checkRoom } = this.#parts;
    if (this.#came <= this.#counted && now() - this.#countedAt < RENEW_MS) return;
    await checkRoom();
    const ahead = Math.min(Math.ceil(this.#came / STEP_BYTES) * STEP_BYTES, maxBytes ?? Number.POSITIVE_INFINITY);
    await this.#count(ahead).catch((error: unknown) => {
      if (!(error instanceof StorageQuotaExceeded) || ahead === this.#came) throw error;
      return this.#count(this.#came);
    });
  }

  /** Counts what came as the blob `key`, of `share` where it was not known before. @throws StorageQuotaExceeded */
  async settle(key: string, share: StorageShare | undefined = this.#allowance.share): Promise<void> {
    const { ledger } = this.#parts;
    if (share) await ledger.charge(key, this.#came, [share], this.#isCounted ? { from: this.#key } : {});
    this.#isCounted = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isCounted) await this.#parts.ledger.release(this.#key);
    this.#isCounted = false;
  }

  async #count(bytes: number): Promise<void> {
    const { ledger, now } = this.#parts;
    const { share } = this.#allowance;
    if (share) {
      // Also where the answer is lost: what isn't there is released for nothing.
      this.#isCounted = true;
      await ledger.charge(this.#key, bytes, [share]);
    }
    this.#counted = bytes;
    this.#countedAt = now();
  }
}
