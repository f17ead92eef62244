import { type LimitChange, limitSettings } from '@kiln/contracts';
import type { LimitSettings, LimitSubject } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { CorruptState } from '../builds/errors.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** How many builds count towards the limits of a subject. */
export interface LimitUsage {
  /** Builds that a host has. */
  readonly running: number;
  /** Builds that wait for a host. */
  readonly queued: number;
}

/** Limits of teams and tokens that an admin has set; not the defaults. */
export class LimitStore {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Reads all limits, by `subjectKey`. */
  async all(): Promise<Map<string, LimitSettings>> {
    const subjects = await this.#redis.smembers(this.#keys.limited());
    const read = subjects.map(async (key) => [key, parse(await this.#redis.hgetall(this.#keys.limits(key)))] as const);
    return new Map(await Promise.all(read));
  }

  /** Sets the limits in `change`, unsets those that are null, and returns those that are set then. Announced to every process. */
  async change(subject: LimitSubject, change: LimitChange): Promise<LimitSettings> {
    const key = subjectKey(subject);
    const pairs = Object.entries(change).flatMap(([name, value]) =>
      value === undefined ? [] : [name, value === null ? '' : JSON.stringify(value)],
    );
    const set = (await runScript(
      this.#redis,
      'set-limits',
      [this.#keys.limited(), this.#keys.limits(key)],
      [this.#keys.prefix, key, ...pairs],
    )) as string[];
    return parse(Object.fromEntries(set.flatMap((name, i) => (i % 2 === 0 ? [[name, set[i + 1] ?? '']] : []))));
  }

  async usage(subject: LimitSubject): Promise<LimitUsage> {
    const key = subjectKey(subject);
    const [running, queued] = await Promise.all([
      this.#redis.scard(this.#keys.activeOf(key)),
      this.#redis.scard(this.#keys.queuedOf(key)),
    ]);
    return { running, queued };
  }
}

export function subjectKey({ kind, name }: LimitSubject): string {
  return `${kind}:${name}`;
}

/** The subject of a key made by `subjectKey`. */
export function subjectOf(key: string): LimitSubject {
  const at = key.indexOf(':');
  return { kind: key.slice(0, at) === 'team' ? 'team' : 'token', name: key.slice(at + 1) };
}

function parse(fields: Readonly<Record<string, string>>): LimitSettings {
  const parsed = limitSettings.safeParse(
    Object.fromEntries(Object.entries(fields).map(([name, json]) => [name, JSON.parse(json) as unknown])),
  );
  if (!parsed.success) throw new CorruptState(`stored limits are not valid: ${parsed.error.message}`);
  return parsed.data;
}
