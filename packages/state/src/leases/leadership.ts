import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** The server process that answers a leader. */
export interface ServerRun {
  readonly id: string;
  /** For how long it has been another one than before, as far as leaders have seen, ms; absent where it has always been the same. */
  readonly changedAgoMs?: number;
}

/**
 * The scheduler's lease. At most one `owner` holds it; each new holder gets another fencing token, which never comes again, even where
 * Redis loses its last writes.
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

  /** Takes or renews the lease; the fencing token while this owner leads, undefined while another does. */
  async hold(): Promise<string | undefined> {
    const random = randomBytes(8).toString('hex');
    const answer = await runScript(this.#redis, 'lead', this.#both(), [this.#owner, this.#ttlMs, random]);
    if (!Array.isArray(answer)) return undefined;
    const [token, id, ago] = answer as [string, string, string];
    this.#server = ago === '-' ? { id } : { id, changedAgoMs: Number(ago) };
    return token;
  }

  /** The server that answered when this owner held the lease last. */
  get server(): ServerRun | undefined {
    return this.#server;
  }

  /** Gives the lease up, so that another needn't wait for its end. */
  async release(): Promise<void> {
    await runScript(this.#redis, 'lead', this.#both(), [this.#owner, 0]);
  }

  #both(): string[] {
    return [this.#keys.leader(), this.#keys.leaderToken()];
  }
}
