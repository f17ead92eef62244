import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';

/**
 * The teams that may name a context by its digest: those that uploaded it, and those for which it was built. Contexts are stored by
 * content, so two teams may have the same one; a digest alone grants no access.
 */
export class ContextTeams {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Lets a team name a context for `ttlMs` from now on, which must be no shorter than the context is kept. */
  async grant(digest: string, team: string, ttlMs: number): Promise<void> {
    const key = this.#keys.contextTeams(digest);
    await this.#redis.multi().sadd(key, team).pexpire(key, ttlMs).exec();
  }

  /** The teams that may name a context. */
  async teamsOf(digest: string): Promise<string[]> {
    return await this.#redis.smembers(this.#keys.contextTeams(digest));
  }

  async has(digest: string, team: string): Promise<boolean> {
    return (await this.#redis.sismember(this.#keys.contextTeams(digest), team)) === 1;
  }
}
