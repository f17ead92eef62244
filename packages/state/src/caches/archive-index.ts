import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Keys } from '../redis/keys.ts';

/** Archives of a repo that are remembered: the newest ones. */
const KEPT = 50;
/** Bytes of a repo's archives that are remembered, each counted whole. The newest archive is remembered whatever its size. */
const KEPT_BYTES = 100 * 1024 ** 3;
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

export interface FoundArchive extends ArchiveEntry {
  readonly key: string;
}

/** Where the archives of repos' caches are, by the cache key of the repo, which names team and trust class, and by their own key. */
export class ArchiveIndex {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #keptBytes: number;

  constructor(redis: Redis, keys: Keys, { keptBytes = KEPT_BYTES }: { readonly keptBytes?: number | undefined } = {}) {
    this.#redis = redis;
    this.#keys = keys;
    this.#keptBytes = keptBytes;
  }

  /** Returns a repo's archives in the order in which they are to be tried: those of `keys`, then the others, the newest first. */
  async find(repo: string, keys: readonly string[]): Promise<FoundArchive[]> {
    const all = await this.#all(repo);
    const named = [...new Set(keys)].flatMap((key) => all.find((one) => one.key === key) ?? []);
    return [...named, ...all.filter((one) => !named.includes(one))];
  }

  /**
   * Replaces the archive of a key. Forgets the oldest ones of a repo that has very many, or very large ones: their contents stay until they haven't been
   * used for the retention of contexts, so one that is being restored is restored whole. Repeating it changes nothing.
   */
  async save(repo: string, key: string, archive: ArchiveEntry): Promise<void> {
    const name = this.#keys.archives(repo);
    await this.#redis.multi().hset(name, key, JSON.stringify(archive)).pexpire(name, TTL_MS).exec();
    const old = tooMany(await this.#all(repo), this.#keptBytes).map((one) => one.key);
    if (old.length > 0) await this.#redis.hdel(name, ...old);
  }

  /** The newest first. */
  async #all(repo: string): Promise<FoundArchive[]> {
    const stored = Object.entries(await this.#redis.hgetall(this.#keys.archives(repo)));
    return stored
      .flatMap(([key, doc]) => {
        const parsed = entry.safeParse(JSON.parse(doc));
        return parsed.success ? [{ key, ...parsed.data }] : [];
      })
      .sort((a, b) => b.savedAt - a.savedAt);
  }
}

/** Returns those that are too many or too large, of archives with the newest first. */
function tooMany(all: readonly FoundArchive[], keptBytes: number): readonly FoundArchive[] {
  let bytes = 0;
  const end = all.findIndex((one, i) => {
    bytes += one.bytes;
    return i > 0 && bytes > keptBytes;
  });
  return all.slice(end < 0 ? KEPT : Math.min(end, KEPT));
}
