import { createHash } from 'node:crypto';
import type { Principal } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** A browser's session. */
export interface Session extends Principal {
  /** The bearer token that it stands for, sealed: its rights are the token's, for as long as that is valid. Absent after an OIDC login. */
  readonly sealedToken?: string;
}

/** Sessions of browsers and of `kiln login`, each stored under the hash of its secret; the secret itself isn't stored. */
export class SessionStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Creates a session. Returns the principal as `find` will.
   * @param secret the cookie's value, of at least 256 random bits
   */
  async create(secret: string, principal: Session, ttlMs: number): Promise<Session> {
    const hash = sha256(secret);
    const kept: Session = { ...principal, credentialId: credentialOf(hash) };
    await this.#redis.set(this.#keys.session(hash), JSON.stringify(kept), 'PX', ttlMs);
    return kept;
  }

  /**
   * Creates a session whose secret only its owner knows. Can be repeated. Returns false, and changes nothing, if there is another one.
   * @param hash SHA-256 of the secret, in hexadecimal
   */
  async createFor(hash: string, principal: Principal, ttlMs: number): Promise<boolean> {
    const kept: Principal = { ...principal, credentialId: credentialOf(hash) };
    const text = JSON.stringify(kept);
    const key = this.#keys.session(hash);
    if ((await this.#redis.set(key, text, 'PX', ttlMs, 'NX')) !== null) return true;
    return (await this.#redis.get(key)) === text;
  }

  /** Returns whether there is a session whose secret has this SHA-256, in hexadecimal. */
  async has(hash: string): Promise<boolean> {
    return (await this.#redis.exists(this.#keys.session(hash))) === 1;
  }

  /** Reads the principal of a session; undefined if there is none, or it was ended or has expired. */
  async find(secret: string): Promise<Session | undefined> {
    const kept = await this.#redis.get(this.#keys.session(sha256(secret)));
    return kept === null ? undefined : (JSON.parse(kept) as Session);
  }

  /** Ends a session at once for every process. Returns whether there was one. */
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

/** Identifies a session without revealing its secret. */
function credentialOf(hash: string): string {
  return `session:${hash.slice(0, 32)}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
