import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { keyDigest } from '../redis/key-schema.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** What is known of a branch or a pull request, from its webhooks. */
export interface Subject {
  /** The commit that the newest push left. */
  readonly tip?: string;
  /** Commits that pushes have left behind, the newest last. */
  readonly past: readonly string[];
  /** The delivery that came last of those that counted. */
  readonly newest?: string;
  /** When the forge saw it change last, ms since the epoch. */
  readonly updatedAt?: number;
  /** The pull request was closed, as far as is known. */
  readonly closed?: boolean;
  /** Builds that its webhooks made, the newest last. */
  readonly builds: readonly string[];
}

const KEPT_MS = 30 * 24 * 3_600_000;
const LOCK_MS = 30_000;
const LOOK_AGAIN_MS = 20;
const EMPTY: Subject = { past: [], builds: [] };

/** Branches and pull requests, one user at a time: between looking what is the newest and accepting a build nothing may come. */
export class SubjectStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Gives the subject to `use`, alone, and keeps what that gives back. Whoever holds it for more than 30 s loses it, as one that
   * has died does. @throws what `use` throws; the signal's reason
   */
  async alone<T>(
    name: string,
    signal: AbortSignal,
    use: (subject: Subject) => Promise<{ subject: Subject; value: T }>,
  ) {
    const digest = keyDigest(name);
    const lock = this.#keys.subjectLock(digest);
    const holder = randomUUID();
    while ((await this.#redis.set(lock, holder, 'PX', LOCK_MS, 'NX')) !== 'OK') {
      await delay(LOOK_AGAIN_MS, undefined, { signal });
    }
    try {
      const key = this.#keys.subject(digest);
      const doc = await this.#redis.get(key);
      const { subject, value } = await use(doc === null ? EMPTY : (JSON.parse(doc) as Subject));
      await this.#redis.set(key, JSON.stringify(subject), 'PX', KEPT_MS);
      return value;
    } finally {
      await runScript(this.#redis, 'release-lock', [lock], [holder]);
    }
  }
}
