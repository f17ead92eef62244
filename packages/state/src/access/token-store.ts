import { createHash, timingSafeEqual } from 'node:crypto';
import type { Scope, Trust } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { monotonicFactory } from 'ulid';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** A stored token, without its text. Times in ms since the epoch. */
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
  /** The last use, to about a minute. */
  readonly usedAt?: number;
}

export type NewToken = Omit<StoredToken, 'id' | 'createdAt' | 'usedAt'>;

/** Uses are recorded at most this often, ms. */
const USE_RECORD_MS = 60_000;

/**
 * Tokens, each stored under its SHA-256. A slow hash such as bcrypt protects guessable passwords; 256 random bits can't be guessed, and
 * every request would have to wait for it.
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

  /** Stores `text` as a token. @throws Error if it exists already */
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
    if (code !== 0) throw new Error('the token exists already');
    return stored;
  }

  /**
   * Reads the token of `text`; undefined if there is none, or it was revoked. Expired tokens are returned as well, for the caller to check.
   * Always reads from Redis, so a revoked token is refused by every process from the next request on.
   */
  async find(text: string): Promise<StoredToken | undefined> {
    const hash = sha256(text);
    const [doc, usedAt] = await this.#redis.hmget(this.#keys.token(hash.toString('hex')), 'doc', 'usedAt');
    if (!doc) return undefined;
    const { hash: kept, ...token } = JSON.parse(doc) as StoredToken & { readonly hash: string };
    // An attacker can't choose hashes to learn from the time of the lookup; this comparison is an additional safeguard.
    if (!timingSafeEqual(hash, Buffer.from(kept, 'hex'))) return undefined;
    return withUse(token, usedAt);
  }

  /** Records a use of the token `text`, unless one was recorded within the last minute. */
  async noteUse(text: string): Promise<void> {
    const key = this.#keys.token(sha256(text).toString('hex'));
    await runScript(this.#redis, 'use-token', [key], [this.#now(), USE_RECORD_MS]);
  }

  /** Whether `noteUse` would record a use. */
  isUseStale({ usedAt }: StoredToken): boolean {
    return this.#now() - (usedAt ?? 0) >= USE_RECORD_MS;
  }

  /** Reads all tokens, oldest first. */
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

  /** Revokes a token at once and returns it; undefined if there is none. */
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
