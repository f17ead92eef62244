import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import { StorageQuotaExceeded } from './errors.ts';

/** A team that a blob is charged to. */
export interface StorageShare {
  readonly team: string;
  /** Quota of the team; absent: none. */
  readonly quotaBytes?: number | undefined;
}

/** The charge of one blob, or of an upload in progress. */
export interface StorageEntry {
  readonly key: string;
  readonly sizeBytes: number;
  /** When it was charged last, ms since the epoch. */
  readonly at: number;
  readonly teams: readonly string[];
}

const SCAN_COUNT = 500;

/**
 * Storage used by each team. Each blob has one entry with its bytes and its teams. The entry and the totals of teams change in one step, so
 * repeating a call changes nothing, and a crash can't make them disagree. A blob of several teams, such as a context that each of them
 * uploaded, is charged fully to each. Entries may differ from the existing blobs only after a crash between the two; `recountStorage` of
 * the API corrects that.
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
   * Charges `sizeBytes` for `key`, replacing its earlier charge and, with `from`, the charge of that key.
   * @throws StorageQuotaExceeded without changing anything
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

  /**
   * Adds `bytes` to what a team is charged for `key`, in place of the charge of the upload `from`; changes nothing if that was done before. For keys
   * that stand for many blobs, such as those of a team's trees.
   */
  async add(key: string, bytes: number, team: string, from: string): Promise<void> {
    await runScript(this.#redis, 'add-charge', this.#hashes(), [key, bytes, this.#now(), from, team]);
  }

  /** Removes the charge of `key`; with `before`, only if it was charged last before that time (ms). Returns whether there was one. */
  async release(key: string, before?: number): Promise<boolean> {
    return (await runScript(this.#redis, 'release-blob', this.#hashes(), [key, before ?? ''])) === 1;
  }

  /** Bytes charged to a team, including uploads in progress. */
  async usedBy(team: string): Promise<number> {
    return Number((await this.#redis.hget(this.#keys.storageUsed(), team)) ?? 0);
  }

  async entry(key: string): Promise<StorageEntry | undefined> {
    const text = await this.#redis.hget(this.#keys.storageBlobs(), key);
    return text === null ? undefined : parse(key, text);
  }

  /** Yields all entries, unordered. One may be repeated, and those added meanwhile may be missing. */
  async *entries(): AsyncGenerator<StorageEntry> {
    for (let cursor = '0'; ; ) {
      const [next, fields] = await this.#redis.hscan(this.#keys.storageBlobs(), cursor, 'COUNT', SCAN_COUNT);
      for (let i = 0; i + 1 < fields.length; i += 2) yield parse(fields[i] ?? '', fields[i + 1] ?? '');
      cursor = next;
      if (cursor === '0') return;
    }
  }

  /** Whether this process should recount now; true for one process every `ttlMs`. */
  async claimRecount(ttlMs: number): Promise<boolean> {
    return (await this.#redis.set(this.#keys.storageRecount(), '1', 'PX', ttlMs, 'NX')) === 'OK';
  }

  /** Whether this process should sweep trees now; true for one process every `ttlMs`. */
  async claimSweep(ttlMs: number): Promise<boolean> {
    return (await this.#redis.set(this.#keys.treeSweep(), '1', 'PX', ttlMs, 'NX')) === 'OK';
  }

  #hashes(): string[] {
    return [this.#keys.storageBlobs(), this.#keys.storageUsed()];
  }
}

function parse(key: string, text: string): StorageEntry {
  const [bytes, at, ...teams] = text.split(' ');
  return { key, sizeBytes: Number(bytes), at: Number(at), teams };
}
