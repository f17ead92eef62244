import { type PoolEvent, poolEvent } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { blockingTwin } from './connect.ts';
import type { Keys } from './keys.ts';
import { hashOf } from './read-together.ts';

const BLOCK_MS = 5_000;
/** The wait before the stream is read again after an error, ms. */
const RETRY_MS = 200;

/**
 * The pool's event stream, read once per process from the moment of `open`. An event only says what has changed: listeners read the
 * record itself. They must not throw.
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

  /** Starts reading after the newest event. */
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

  #emit(fields: readonly string[]): void {
    const event = parseEvent(fields);
    if (!event) return;
    for (const listener of this.#listeners) listener(event);
  }
}

/** Parses an entry of the stream; undefined if it is of a newer version and unknown to this one. */
export function parseEvent(fields: readonly string[]): PoolEvent | undefined {
  const event = poolEvent.safeParse(hashOf(fields));
  return event.success ? event.data : undefined;
}
