import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { runScript } from '../redis/scripts.ts';

/** How long a claim lasts without renewal, ms: so long does a log wait whose mover has died. */
const CLAIM_TTL_MS = 15_000;

/**
 * A process' claim to be the one that moves a log. It renews itself until it is disposed of; one that was lost meanwhile is no claim
 * any more, and what is done in its name is refused.
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

  /** Undefined where another process has the log. */
  static async take(redis: Redis, key: string): Promise<LogClaim | undefined> {
    const claim = new LogClaim(redis, key);
    if (!(await claim.#hold())) return undefined;
    claim.#renewal = setInterval(() => void claim.#hold().catch(() => {}), CLAIM_TTL_MS / 3).unref();
    return claim;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewal);
    // It lapses by itself where this fails.
    await runScript(this.#redis, 'release-lock', [this.#key], [this.holder]).catch(() => {});
  }

  async #hold(): Promise<boolean> {
    return (await runScript(this.#redis, 'hold-lock', [this.#key], [this.holder, CLAIM_TTL_MS])) === 1;
  }
}
