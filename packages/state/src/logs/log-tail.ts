import type { Redis } from 'ioredis';
import type { LogBatch } from '../types.ts';

const BLOCK_MS = 5_000;
export const MAX_SEQ = '18446744073709551615';

type StreamEntry = [id: string, fields: string[]];

/** Follows one live log. */
export class LogTail implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #key: string;
  #after: number;

  /** @param redis a connection of its own */
  constructor(redis: Redis, key: string, afterSeq: number) {
    this.#redis = redis;
    this.#key = key;
    this.#after = afterSeq;
  }

  /**
   * Waits for the next batches. Returns none if nothing arrives for some seconds, or the tail is disposed of. If pieces were moved to the
   * blob store before they were read here, the first batch starts after a gap.
   */
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

/** The records of an entry after `afterSeq`. */
export function batchOf([id, fields]: StreamEntry, afterSeq: number): LogBatch {
  const [last, count] = id.split('-').map(Number) as [number, number];
  const firstSeq = last - count + 1;
  const lines = (fields[1] ?? '').split('\n');
  const skip = Math.max(0, afterSeq + 1 - firstSeq);
  return { firstSeq: firstSeq + skip, lines: skip > 0 ? lines.slice(skip) : lines };
}
