import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** The Redis server process that a leader is connected to. */
export interface ServerRun {
  readonly id: string;
  /** Time since a leader first saw it replace another one, ms; absent if it never did. */
  readonly changedAgoMs?: number;
}

/**
 * The scheduler's lease, which at most one `owner` has. Each new holder gets a new fencing token, which never repeats, even if Redis loses
 * its last writes.
 */
export class Leadership {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #owner: string;
  readonly #ttlMs: number;
  #server: ServerRun | undefined;

  constructor(redis: Redis, keys: Keys, owner: string, ttlMs: number) {
    this.#redis = redis;
    this.#keys = keys;
    this.#owner = owner;
    this.#ttlMs = ttlMs;
  }

  /** Acquires or renews the lease. Returns the fencing token, or undefined while another owner leads. */
  async hold(): Promise<string | undefined> {
    const random = randomBytes(8).toString('hex');
    const answer = await runScript(this.#redis, 'lead', this.#both(), [this.#owner, this.#ttlMs, random]);
    if (!Array.isArray(answer)) return undefined;
    const [token, id, ago] = answer as [string, string, string];
    this.#server = ago === '-' ? { id } : { id, changedAgoMs: Number(ago) };
    return token;
  }

  /** The server that answered when this owner last acquired or renewed the lease. */
  get server(): ServerRun | undefined {
    return this.#server;
  }

  /** Releases the lease, so that another owner needn't wait for its end. */
  async release(): Promise<void> {
    await runScript(this.#redis, 'lead', this.#both(), [this.#owner, 0]);
  }

  #both(): string[] {
    return [this.#keys.leader(), this.#keys.leaderToken()];
  }
}
