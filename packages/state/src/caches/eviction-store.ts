import type { EvictionReason } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import type { HostWriter } from './inventory-store.ts';

/** How many evictions of a host are remembered. */
const MAX_EVICTIONS = 500;

/** A cache that a host has removed to make room. */
export interface HostEviction {
  /** ms since the epoch. */
  readonly at: number;
  /** Id of a cache mount; absent: layers. */
  readonly mount?: string;
  /** Cache key of the only repo that used it. */
  readonly repo?: string;
  readonly bytes: number;
  readonly reason: EvictionReason;
  /** Cache key of the repo that the host built last before. */
  readonly roomFor?: string;
}

/** What hosts have evicted lately. */
export class EvictionStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Adds evictions of a worker's host, the oldest first. Nothing is added if the host's lease is over, or another worker's. */
  async publish({ host, incarnation }: HostWriter, evictions: readonly HostEviction[]): Promise<void> {
    if (evictions.length === 0) return;
    await runScript(
      this.#redis,
      'publish-evictions',
      [this.#keys.hostEvictions(host), this.#keys.hostLease(host)],
      [incarnation, MAX_EVICTIONS, ...evictions.slice(-MAX_EVICTIONS).map((each) => JSON.stringify(each))],
    );
  }

  /** Returns the last evictions of a host, the newest first. */
  async of(host: string): Promise<HostEviction[]> {
    return (await this.#redis.lrange(this.#keys.hostEvictions(host), 0, -1)).map(
      (text) => JSON.parse(text) as HostEviction,
    );
  }
}
