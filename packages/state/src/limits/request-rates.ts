import type { LimitSubject } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Keys } from '../redis/keys.ts';
import { isOutOfMemory } from '../redis/memory.ts';
import { subjectKey } from './limit-store.ts';

/** Length of the window in which requests are counted, from the first request on. */
export const RATE_WINDOW_SECONDS = 60;

/** Where a subject stands in the present window. */
export interface RateState {
  readonly allowed: boolean;
  readonly remaining: number;
  /** Until the window ends, ms. */
  readonly resetMs: number;
}

/** Counts requests by team and credential, all API processes together. */
export class RequestRates {
  readonly #redis: Redis;
  readonly #keys: Keys;
  /** By limit: a limiter has one. They count by the same keys, so a changed limit goes on with the count there is. */
  readonly #limiters = new Map<number, RateLimiterRedis>();

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Counts one request. A refused one counts, too. While Redis has no memory to count in, all are allowed: reads must go on. */
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
