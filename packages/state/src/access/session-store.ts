import { createHash } from 'node:crypto';
import type { Principal } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** Sessions of people in browsers, each under the hash of what its cookie holds: the cookie's value itself is kept nowhere. */
export class SessionStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** `secret` is what the cookie holds: at least 256 random bits. Answers the principal as `find` will. */
  async create(secret: string, principal: Principal, ttlMs: number): Promise<Principal> {
    const hash = sha256(secret);
    const kept: Principal = { ...principal, credentialId: credentialOf(hash) };
    await this.#redis.set(this.#keys.session(hash), JSON.stringify(kept), 'PX', ttlMs);
    return kept;
  }

  /** Undefined where there is none, it has ended, or its time is over. Read anew each time. */
  async find(secret: string): Promise<Principal | undefined> {
    const kept = await this.#redis.get(this.#keys.session(sha256(secret)));
    return kept === null ? undefined : (JSON.parse(kept) as Principal);
  }

  /** Ends it at once, everywhere; answers whether there was one. */
  async end(secret: string): Promise<boolean> {
    const hash = sha256(secret);
    const ended = await runScript(
      this.#redis,
      'end-session',
      [this.#keys.session(hash)],
      [...[this.#keys.prefix, credentialOf(hash)]],
    );
    return ended === 1;
  }
}

/** Names a session without opening it. */
function credentialOf(hash: string): string {
  return `session:${hash.slice(0, 32)}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
