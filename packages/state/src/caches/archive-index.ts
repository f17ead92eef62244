import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Keys } from '../redis/keys.ts';

/** Archives of a repo that are remembered: the newest ones. */
const KEPT = 50;
/** How long archives are remembered after the last one was saved, ms. Their contents are removed sooner if they aren't used. */
const TTL_MS = 30 * 24 * 3_600_000;

const entry = z.object({
  /** Digest of the tree with the archive's files. */
  root: z.string(),
  bytes: z.number(),
  /** ms since the epoch. */
  savedAt: z.number(),
});
export type ArchiveEntry = z.output<typeof entry>;

/** Where the archives of repos' caches are, by the cache key of the repo, which names team and trust class, and by their own key. */
export class ArchiveIndex {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Returns the archive of the first of `keys` that has one, else the newest of the repo; undefined if there is none. */
  async find(repo: string, keys: readonly string[]): Promise<(ArchiveEntry & { readonly key: string }) | undefined> {
    const all = await this.#all(repo);
    const named = keys.flatMap((key) => all.find((one) => one.key === key) ?? []);
    return named[0] ?? all[0];
  }

  /** Replaces the archive of a key. Forgets the oldest ones of a repo that has very many. Repeating it changes nothing. */
  async save(repo: string, key: string, archive: ArchiveEntry): Promise<void> {
    const name = this.#keys.archives(repo);
    await this.#redis.multi().hset(name, key, JSON.stringify(archive)).pexpire(name, TTL_MS).exec();
    const old = (await this.#all(repo)).slice(KEPT).map((one) => one.key);
    if (old.length > 0) await this.#redis.hdel(name, ...old);
  }

  /** The newest first. */
  async #all(repo: string): Promise<(ArchiveEntry & { readonly key: string })[]> {
    const stored = Object.entries(await this.#redis.hgetall(this.#keys.archives(repo)));
    return stored
      .flatMap(([key, doc]) => {
        const parsed = entry.safeParse(JSON.parse(doc));
        return parsed.success ? [{ key, ...parsed.data }] : [];
      })
      .sort((a, b) => b.savedAt - a.savedAt);
  }
}
