import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { keyDigest } from '../redis/key-schema.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** What webhooks have said about a branch or a pull request. */
export interface Subject {
  /** Head commit after the newest push. */
  readonly tip?: string;
  /** Earlier head commits, the newest last. */
  readonly past: readonly string[];
  /** The newest delivery that was processed rather than ignored. */
  readonly newest?: string;
  /** Its last change by the forge's clock, ms since the epoch. */
  readonly updatedAt?: number;
  /** Whether the pull request is known to be closed. */
  readonly closed?: boolean;
  /** Builds from its webhooks, the newest last. */
  readonly builds: readonly string[];
}

/** How long a subject is kept after its last use, ms. */
export const SUBJECT_KEPT_MS = 30 * 24 * 3_600_000;
const LOCK_MS = 30_000;
const LOOK_AGAIN_MS = 20;
const EMPTY: Subject = { past: [], builds: [] };

/** Branches and pull requests. One process at a time uses a subject, so that nothing happens between checking for newer events and accepting builds. */
export class SubjectStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Returns the id of a subject. */
  idOf(name: string): string {
    return keyDigest(name);
  }

  /** Returns the retries of a pull request's builds. Acceptance adds them. */
  retries(id: string): Promise<string[]> {
    return this.#redis.zrange(this.#keys.subjectRetries(id), '0', '-1');
  }

  /**
   * Calls `use` with exclusive access to a subject and stores what it returns. Access ends after 30 s, in case the process dies.
   * @throws errors of `use`; the signal's reason
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
      await this.#redis.set(key, JSON.stringify(subject), 'PX', SUBJECT_KEPT_MS);
      return value;
    } finally {
      await runScript(this.#redis, 'release-lock', [lock], [holder]);
    }
  }
}
