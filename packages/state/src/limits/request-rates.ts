import type { LimitSubject } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Keys } from '../redis/keys.ts';
import { isOutOfMemory } from '../redis/memory.ts';
import { subjectKey } from './limit-store.ts';

/** Length of the window in which requests are counted; it starts with the first one. */
export const RATE_WINDOW_SECONDS = 60;

/** A subject's requests in the current window. */
export interface RateState {
  readonly allowed: boolean;
  readonly remaining: number;
  /** Time until the window ends, ms. */
  readonly resetMs: number;
}

/** Counts requests by team and token, across all API processes. */
export class RequestRates {
  readonly #redis: Redis;
  readonly #keys: Keys;
  /** Limiters by their limit. All count in the same keys, so a changed limit continues with the current count. */
  readonly #limiters = new Map<number, RateLimiterRedis>();

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Counts a request, also if it is refused. While Redis is out of memory every request is allowed, so that reads still work. */
  async take(subject: LimitSubject, perMinute: number): Promise<RateState> {
    if (perMinute === 0) return { allowed: false, remaining: 0, resetMs: RATE_WINDOW_SECONDS * 1_000 };
    try {
      return stateOf(await this.#limiter(perMinute).consume(this.#keys.rate(subjectKey(subject))), true);
    } catch (refusal) {
      if (refusal instanceof RateLimiterRes) return stateOf(refusal, false);
      if (isOutOfMemory(refusal)) return { allowed: true, remaining: perMinute, resetMs: RATE_WINDOW_SECONDS * 1_000 };
      throw refusal;
    }
  }

  #limiter(points: number): RateLimiterRedis {
    let limiter = this.#limiters.get(points);
    if (!limiter) {
      const window = { points, duration: RATE_WINDOW_SECONDS };
      limiter = new RateLimiterRedis({ ...window, storeClient: this.#redis, keyPrefix: '' });
      this.#limiters.set(points, limiter);
    }
    return limiter;
  }
}

function stateOf({ remainingPoints, msBeforeNext }: RateLimiterRes, allowed: boolean): RateState {
  return { allowed, remaining: remainingPoints, resetMs: msBeforeNext };
}
