import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import { StorageQuotaExceeded } from './errors.ts';

/** For whom a blob is counted. */
export interface StorageShare {
  readonly team: string;
  /** Most bytes that the team may have; absent: any number. */
  readonly quotaBytes?: number | undefined;
}

/** What is counted for one blob, or for an upload under way. */
export interface StorageEntry {
  readonly key: string;
  readonly sizeBytes: number;
  /** When it was counted last, ms. */
  readonly at: number;
  readonly teams: readonly string[];
}

const SCAN_COUNT = 500;

/**
 * Counts what lies in the blob store by team. Each blob has one entry, which says its bytes and its teams; entry and sums of teams change
 * in one step, so a repeated call changes nothing and no crash leaves them apart. A blob of several teams (a context that
 * each of them uploaded) counts fully for each. Entries may differ from the blobs that are there only after a crash between the
 * two; `recountStorage` of the API makes that good.
 */
export class StorageLedger {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;

  constructor(redis: Redis, keys: Keys, now: () => number) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = now;
  }

  /**
   * Counts `sizeBytes` for `key`, in place of what was counted for it before and, with `from`, of what was counted for that key.
   * @throws StorageQuotaExceeded; nothing is changed then
   */
  async charge(
    key: string,
    sizeBytes: number,
    shares: readonly StorageShare[],
    { from = '' }: { readonly from?: string } = {},
  ): Promise<void> {
    const teams = shares.flatMap(({ team, quotaBytes }) => [team, quotaBytes ?? '']);
    const args = [key, sizeBytes, this.#now(), from, ...teams];
    const [refused, used] = (await runScript(this.#redis, 'charge-blob', this.#hashes(), args)) as [number, string?];
    const share = shares[refused - 1];
    if (share) throw new StorageQuotaExceeded(share.team, share.quotaBytes ?? 0, Number(used));
  }

  /** Counts `key` no longer; with `before`, only where it was counted last before that time (ms). Answers whether it was counted. */
  async release(key: string, before?: number): Promise<boolean> {
    return (await runScript(this.#redis, 'release-blob', this.#hashes(), [key, before ?? ''])) === 1;
  }

  /** Bytes that are counted for a team, uploads under way among them. */
  async usedBy(team: string): Promise<number> {
    return Number((await this.#redis.hget(this.#keys.storageUsed(), team)) ?? 0);
  }

  async entry(key: string): Promise<StorageEntry | undefined> {
    const text = await this.#redis.hget(this.#keys.storageBlobs(), key);
    return text === null ? undefined : parse(key, text);
  }

  /** All entries, in no order. One may come twice; those that are made meanwhile may be missing. */
  async *entries(): AsyncGenerator<StorageEntry> {
    for (let cursor = '0'; ; ) {
      const [next, fields] = await this.#redis.hscan(this.#keys.storageBlobs(), cursor, 'COUNT', SCAN_COUNT);
      for (let i = 0; i + 1 < fields.length; i += 2) yield parse(fields[i] ?? '', fields[i + 1] ?? '');
      cursor = next;
      if (cursor === '0') return;
    }
  }

  /** Whether this process is to recount now: one of them is, once in `ttlMs`. */
  async claimRecount(ttlMs: number): Promise<boolean> {
    return (await this.#redis.set(this.#keys.storageRecount(), '1', 'PX', ttlMs, 'NX')) === 'OK';
  }

  #hashes(): string[] {
    return [this.#keys.storageBlobs(), this.#keys.storageUsed()];
  }
}

function parse(key: string, text: string): StorageEntry {
  const [bytes, at, ...teams] = text.split(' ');
  return { key, sizeBytes: Number(bytes), at: Number(at), teams };
}
