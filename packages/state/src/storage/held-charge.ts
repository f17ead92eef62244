import { randomUUID } from 'node:crypto';
import { RENEW_MS } from './metered-upload.ts';
import type { StorageLedger } from './storage-ledger.ts';

/**
 * Charges a team for a temporary file, such as the beginning of an interrupted upload, until it is disposed of. It is never refused, because the upload was
 * charged while it arrived. If its process dies, `recountStorage` removes the charge.
 */
export class HeldCharge implements AsyncDisposable {
  readonly #ledger: StorageLedger;
  /** No blob has such a key. */
  readonly #key = `uploads/${randomUUID()}`;
  readonly #timer: NodeJS.Timeout;
  #renewed: Promise<void> = Promise.resolve();

  private constructor(ledger: StorageLedger, team: string, bytes: number) {
    this.#ledger = ledger;
    this.#timer = setInterval(() => {
      // An entry that wasn't renewed is renewed the next time, long before a recount removes it.
      this.#renewed = this.#charge(team, bytes).catch(() => {});
    }, RENEW_MS).unref();
  }

  /** @throws Redis' errors; then nothing is held */
  static async of(ledger: StorageLedger, team: string, bytes: number): Promise<HeldCharge> {
    const held = new HeldCharge(ledger, team, bytes);
    try {
      await held.#charge(team, bytes);
      return held;
    } catch (error) {
      await held[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewed;
    // A recount removes the charge if this can't.
    await this.#ledger.release(this.#key).catch(() => {});
  }

  #charge(team: string, bytes: number): Promise<void> {
    return this.#ledger.charge(this.#key, bytes, [{ team }]);
  }
}
