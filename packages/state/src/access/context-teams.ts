import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';

/**
 * Which teams may name a context by its digest: those that uploaded it, and those for which it was built. Contexts are stored by
 * content, so that two teams may have the same one; whoever only knows a digest gets nothing.
 */
export class ContextTeams {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** For `ttlMs`, counted anew each time: no shorter than the context itself is kept. */
  async grant(digest: string, team: string, ttlMs: number): Promise<void> {
    const key = this.#keys.contextTeams(digest);
    await this.#redis.multi().sadd(key, team).pexpire(key, ttlMs).exec();
  }

  /** All of them. */
  async teamsOf(digest: string): Promise<string[]> {
    return await this.#redis.smembers(this.#keys.contextTeams(digest));
  }

  async has(digest: string, team: string): Promise<boolean> {
    return (await this.#redis.sismember(this.#keys.contextTeams(digest), team)) === 1;
  }
}
