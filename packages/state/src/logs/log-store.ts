import type { Redis } from 'ioredis';
import type { AttemptRef } from '../builds/attempt-store.ts';
import { CorruptState, StaleAttempt } from '../builds/errors.ts';
import { blockingTwin } from '../redis/connect.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { LogBatch } from '../types.ts';

/** How long an archived log stays in Redis for those who are reading it there, ms. */
const ARCHIVED_TTL_MS = 60_000;
/** How long one process may take to archive one log before another tries, ms. */
const CLAIM_TTL_MS = 300_000;
const BLOCK_MS = 5_000;
const MAX_SEQ = '18446744073709551615';

type StreamEntry = [id: string, fields: string[]];

/** Live logs: one Redis stream per attempt, records numbered from 1 without gaps. */
export class LogStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Appends records, already as JSON lines, in the name of a live attempt; `firstSeq` is the number of the first.
   * May be repeated when the answer was lost.
   * @throws StaleAttempt
   */
  async append(ref: AttemptRef, firstSeq: number, lines: readonly string[]): Promise<void> {
    const { buildId, attempt, incarnation, nonce = '' } = ref;
    const code = await runScript(
      this.#redis,
      'append-log',
      [this.#keys.build(buildId), this.#keys.log(buildId, attempt)],
      [attempt, incarnation, nonce, firstSeq, lines.length, lines.join('\n')],
    );
    if (code === -1) throw new StaleAttempt(buildId, attempt);
    if (code === -2) throw new CorruptState(`log of ${buildId}, attempt ${attempt}: a gap before record ${firstSeq}`);
  }

  exists(buildId: string, attempt: number): Promise<boolean> {
    return this.#redis.exists(this.#keys.log(buildId, attempt)).then((count) => count > 0);
  }

  /** Batches after record `afterSeq`, oldest first, at most `maxBatches`; empty when there is nothing after it. */
  async read(buildId: string, attempt: number, afterSeq: number, maxBatches: number): Promise<LogBatch[]> {
    const entries = await this.#redis.xrange(
      this.#keys.log(buildId, attempt),
      `(${afterSeq}-${MAX_SEQ}`,
      '+',
      'COUNT',
      maxBatches,
    );
    return entries.map((entry) => batchOf(entry, afterSeq));
  }

  /** Follows a live log after record `afterSeq`, on a connection of its own. Dispose it when the last reader has gone. */
  openTail(buildId: string, attempt: number, afterSeq: number): LogTail {
    return new LogTail(blockingTwin(this.#redis), this.#keys.log(buildId, attempt), afterSeq);
  }

  /** Attempts that have ended and whose log is not in the archive yet, oldest first. */
  async unarchived(limit: number): Promise<{ buildId: string; attempt: number }[]> {
    const members = await this.#redis.zrange(this.#keys.unarchived(), '0', String(limit - 1));
    return members.map((member) => {
      const at = member.lastIndexOf(':');
      return { buildId: member.slice(0, at), attempt: Number(member.slice(at + 1)) };
    });
  }

  /** Whether this process may archive the log now; the claim lapses by itself. */
  async claimArchive(buildId: string, attempt: number): Promise<boolean> {
    const claim = await this.#redis.set(this.#keys.archiveClaim(buildId, attempt), '1', 'PX', CLAIM_TTL_MS, 'NX');
    return claim === 'OK';
  }

  /** Says that the archive holds the log; the stream expires a little later. */
  async markArchived(buildId: string, attempt: number): Promise<void> {
    await this.#redis
      .multi()
      .pexpire(this.#keys.log(buildId, attempt), ARCHIVED_TTL_MS)
      .zrem(this.#keys.unarchived(), `${buildId}:${attempt}`)
      .del(this.#keys.archiveClaim(buildId, attempt))
      .exec();
  }
}

/** One reader of one live log. */
export class LogTail implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #key: string;
  #after: number;

  constructor(redis: Redis, key: string, afterSeq: number) {
    this.#redis = redis;
    this.#key = key;
    this.#after = afterSeq;
  }

  /** The next batches; waits for them. Empty where nothing came for some seconds, or the tail was disposed of. */
  async next(signal?: AbortSignal): Promise<LogBatch[]> {
    const stop = () => this.#redis.disconnect();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const found = await this.#redis.xread(
        'COUNT',
        64,
        'BLOCK',
        BLOCK_MS,
        'STREAMS',
        this.#key,
        `${this.#after}-${MAX_SEQ}`,
      );
      const batches = (found?.[0]?.[1] ?? []).map((entry) => batchOf(entry, this.#after));
      const last = batches.at(-1);
      if (last) this.#after = last.firstSeq + last.lines.length - 1;
      return batches;
    } catch (error) {
      if (signal?.aborted || this.#redis.status === 'end') return [];
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect();
  }
}

/** An entry's records, without those up to `afterSeq`. */
function batchOf([id, fields]: StreamEntry, afterSeq: number): LogBatch {
  const [last, count] = id.split('-').map(Number) as [number, number];
  const firstSeq = last - count + 1;
  const lines = (fields[1] ?? '').split('\n');
  const skip = Math.max(0, afterSeq + 1 - firstSeq);
  return { firstSeq: firstSeq + skip, lines: skip > 0 ? lines.slice(skip) : lines };
}
