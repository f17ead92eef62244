import { type PoolEvent, poolEvent } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { blockingTwin } from './connect.ts';
import type { Keys } from './keys.ts';

const BLOCK_MS = 5_000;
/** Wait before the stream is read again after an error, ms. */
const RETRY_MS = 200;

/**
 * The pool's event stream, read once per process from the moment of `open`. Listeners must not throw.
 * An event says only that something changed: whoever needs the truth reads the record.
 */
export class PoolEvents implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #listeners = new Set<(event: PoolEvent) => void>();
  readonly #done: Promise<void>;
  #last: string;
  #closed = false;

  private constructor(redis: Redis, key: string, last: string) {
    this.#redis = redis;
    this.#key = key;
    this.#last = last;
    this.#done = this.#run();
  }

  /** Begins to read after the newest event there is. */
  static async open(redis: Redis, keys: Keys): Promise<PoolEvents> {
    const [newest] = await redis.xrevrange(keys.events(), '+', '-', 'COUNT', 1);
    return new PoolEvents(blockingTwin(redis), keys.events(), newest?.[0] ?? '0-0');
  }

  subscribe(listener: (event: PoolEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#redis.disconnect();
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        const found = await this.#redis.xread('COUNT', 256, 'BLOCK', BLOCK_MS, 'STREAMS', this.#key, this.#last);
        for (const [id, fields] of found?.[0]?.[1] ?? []) {
          this.#last = id;
          this.#emit(fields);
        }
      } catch {
        if (!this.#closed) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Events of a newer version that this one doesn't know are passed over. */
  #emit(fields: readonly string[]): void {
    const entries = [];
    for (let i = 0; i + 1 < fields.length; i += 2) entries.push([fields[i], fields[i + 1]]);
    const event = poolEvent.safeParse(Object.fromEntries(entries));
    if (!event.success) return;
    for (const listener of this.#listeners) listener(event.data);
  }
}
