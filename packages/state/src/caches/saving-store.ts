import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { HostWriter } from './inventory-store.ts';

/** How many repos of a host are remembered; beyond it, those built longest ago are forgotten. */
const MAX_REPOS = 300;

/** What a repo's builds on a host had of its caches there. */
export interface RepoSavings {
  /** Builds that found caches. */
  readonly hits: number;
  /** Estimated, ms. */
  readonly savedMs: number;
  /** End of the last build, ms since the epoch. */
  readonly at: number;
}

/** What caches have saved, by host and repo. */
export class SavingStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Adds a build of a repo that has ended at `at`. @returns whether it was added: false if the host's lease is over, or another worker's */
  async learn({ host, incarnation }: HostWriter, repo: string, savedMs: number, at: number): Promise<boolean> {
    const code = await runScript(
      this.#redis,
      'learn-saving',
      [this.#keys.hostSavings(host), this.#keys.hostLease(host)],
      [incarnation, repo, Math.round(savedMs), at, MAX_REPOS],
    );
    return code === 0;
  }

  /** Returns what is known of a host, by cache key. */
  async of(host: string): Promise<ReadonlyMap<string, RepoSavings>> {
    const all = await this.#redis.hgetall(this.#keys.hostSavings(host));
    return new Map(
      Object.entries(all).map(([repo, text]) => {
        const [hits = 0, savedMs = 0, at = 0] = text.split(' ').map(Number);
        return [repo, { hits, savedMs, at }];
      }),
    );
  }
}
