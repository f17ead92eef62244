import { type AttemptUsage, learnUsage, type RepoUsage } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { HostWriter } from './inventory-store.ts';

/** Far more repos than a pool builds at a time. Beyond it, those built longest ago are removed and count as cold. */
const MAX_REPOS = 10_000;
const MAX_TRIES = 20;
const CHANGED_SINCE = -2;

/** Which caches the recent builds of each repo used, anywhere in the pool. */
export class UsageStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #maxRepos: number;

  constructor(redis: Redis, keys: Keys, maxRepos = MAX_REPOS) {
    this.#redis = redis;
    this.#keys = keys;
    this.#maxRepos = maxRepos;
  }

  /** Returns what the recent builds of a repo used; undefined if nothing is known. */
  async of(repo: string): Promise<RepoUsage | undefined> {
    const doc = await this.#redis.hget(this.#keys.usages(), repo);
    return doc === null ? undefined : parseUsage(doc);
  }

  /** Returns what the recent builds of all repos used. Reads up to 10,000 repos: not for every build. */
  async all(): Promise<RepoUsage[]> {
    return (await this.#redis.hvals(this.#keys.usages())).map(parseUsage);
  }

  /** Adds what one attempt used. `refused`: the host's lease is over, or another worker's. */
  async learn(writer: HostWriter, repo: string, used: AttemptUsage): Promise<'learned' | 'refused'> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const before = await this.#redis.hget(this.#keys.usages(), repo);
      const next = learnUsage(before === null ? undefined : parseUsage(before), repo, used);
      const code = await runScript(
        this.#redis,
        'learn-usage',
        [
          this.#keys.usages(),
          this.#keys.usagesChanged(),
          this.#keys.usagesRevision(),
          this.#keys.hostLease(writer.host),
        ],
        [repo, before ?? '', JSON.stringify(next), this.#maxRepos, writer.incarnation],
      );
      if (code === 0) return 'learned';
      if (code !== CHANGED_SINCE) return 'refused';
    }
    throw new Error(`usage of ${repo} changed ${MAX_TRIES} times while it was written`);
  }
}

export function parseUsage(doc: string): RepoUsage {
  return JSON.parse(doc) as RepoUsage;
}
