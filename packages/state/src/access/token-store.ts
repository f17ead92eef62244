import { createHash, timingSafeEqual } from 'node:crypto';
import type { Scope, Trust } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { monotonicFactory } from 'ulid';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** A token as it is kept: everything but the token. Times in ms since the epoch. */
export interface StoredToken {
  readonly id: string;
  readonly kind: 'api' | 'worker';
  readonly name: string;
  /** A team, or ALL_TEAMS. */
  readonly team: string;
  readonly scopes: readonly Scope[];
  readonly trust: Trust;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt?: number;
  /** To about a minute. */
  readonly usedAt?: number;
}

export type NewToken = Omit<StoredToken, 'id' | 'createdAt' | 'usedAt'>;

/** One note of a use holds for so long, ms. */
const USE_NOTED_MS = 60_000;

/**
 * Tokens, each under its SHA-256. A hash that is slow on purpose, such as bcrypt, makes guessing what a person has thought up
 * costly; there is nothing to guess in 256 random bits, and every request would pay for it.
 */
export class TokenStore {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #newId = monotonicFactory();

  constructor(redis: Redis, keys: Keys, now: () => number) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = now;
  }

  /** Keeps `text` as a token. @throws Error where it is one already */
  async create(text: string, token: NewToken): Promise<StoredToken> {
    const now = this.#now();
    const stored: StoredToken = { ...token, id: this.#newId(now).toLowerCase(), createdAt: now };
    const hash = sha256(text).toString('hex');
    const code = await runScript(
      this.#redis,
      'create-token',
      [this.#keys.tokens(), this.#keys.token(hash)],
      [stored.id, hash, JSON.stringify({ ...stored, hash })],
    );
    if (code !== 0) throw new Error('this token exists');
    return stored;
  }

  /**
   * The token that `text` is; undefined where it is none, or was revoked. One that has expired is found: whoever asks decides.
   * Read from Redis each time, so that a revoked one is refused everywhere from the next request on.
   */
  async find(text: string): Promise<StoredToken | undefined> {
    const hash = sha256(text);
    const [doc, usedAt] = await this.#redis.hmget(this.#keys.token(hash.toString('hex')), 'doc', 'usedAt');
    if (!doc) return undefined;
    const { hash: kept, ...token } = JSON.parse(doc) as StoredToken & { readonly hash: string };
    // Found by its hash, which an attacker can't choose so as to learn anything from the time it takes; compared all the same.
    if (!timingSafeEqual(hash, Buffer.from(kept, 'hex'))) return undefined;
    return withUse(token, usedAt);
  }

  /** Notes a use of the token that `text` is, unless one was noted within the last minute. */
  async noteUse(text: string): Promise<void> {
    const key = this.#keys.token(sha256(text).toString('hex'));
    await runScript(this.#redis, 'use-token', [key], [this.#now(), USE_NOTED_MS]);
  }

  /** Whether `noteUse` would have anything to do. */
  isUseStale({ usedAt }: StoredToken): boolean {
    return this.#now() - (usedAt ?? 0) >= USE_NOTED_MS;
  }

  /** Oldest first. */
  async list(): Promise<StoredToken[]> {
    const hashes = Object.values(await this.#redis.hgetall(this.#keys.tokens()));
    const found = await Promise.all(
      hashes.map(async (hash) => {
        const [doc, usedAt] = await this.#redis.hmget(this.#keys.token(hash), 'doc', 'usedAt');
        return doc ? [parse(doc, usedAt)] : [];
      }),
    );
    return found.flat().sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Revokes it at once and for good; what it was, or undefined where there is no such token. */
  async revoke(id: string): Promise<StoredToken | undefined> {
    const answer = await runScript(this.#redis, 'revoke-token', [this.#keys.tokens()], [this.#keys.prefix, id]);
    const [doc, usedAt] = (answer ?? []) as [string?, string?];
    return doc === undefined ? undefined : parse(doc, usedAt);
  }
}

function parse(doc: string, usedAt: string | null | undefined): StoredToken {
  const { hash: _, ...token } = JSON.parse(doc) as StoredToken & { readonly hash: string };
  return withUse(token, usedAt);
}

function withUse(token: StoredToken, usedAt: string | null | undefined): StoredToken {
  return usedAt ? { ...token, usedAt: Number(usedAt) } : token;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
