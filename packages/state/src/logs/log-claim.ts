import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { runScript } from '../redis/scripts.ts';

/** How long a claim lasts without renewal, ms. A log waits that long if the process that moves it dies. */
const CLAIM_TTL_MS = 15_000;

/**
 * The exclusive right of a process to move a log. It renews itself until it is disposed of. If it is lost meanwhile, whatever is done with
 * it is refused.
 */
export class LogClaim implements AsyncDisposable {
  readonly holder = randomUUID();
  readonly #redis: Redis;
  readonly #key: string;
  #renewal: NodeJS.Timeout | undefined;

  private constructor(redis: Redis, key: string) {
    this.#redis = redis;
    this.#key = key;
  }

  /** Acquires the claim; undefined if another process has it. */
  static async acquire(redis: Redis, key: string): Promise<LogClaim | undefined> {
    const claim = new LogClaim(redis, key);
    if (!(await claim.#hold())) return undefined;
    claim.#renewal = setInterval(() => void claim.#hold().catch(() => {}), CLAIM_TTL_MS / 3).unref();
    return claim;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewal);
    // If this fails, the claim expires.
    await runScript(this.#redis, 'release-lock', [this.#key], [this.holder]).catch(() => {});
  }

  async #hold(): Promise<boolean> {
    return (await runScript(this.#redis, 'hold-lock', [this.#key], [this.holder, CLAIM_TTL_MS])) === 1;
  }
}
