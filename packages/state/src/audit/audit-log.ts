import type { AuditEntry } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';

/** An entry before it is appended. */
export type NewAuditEntry = Omit<AuditEntry, 'id' | 'at'>;

export interface AuditRange {
  /** First time, ms since the epoch. */
  readonly since?: number | undefined;
  /** End of the range, exclusive, ms since the epoch. */
  readonly until?: number | undefined;
  /** Id of the last entry that the reader already has. */
  readonly after?: string | undefined;
}

/**
 * How many entries about callers without an identity are kept. They are in a stream of their own, because anybody who can reach the API can
 * cause them, and could otherwise fill Redis or displace important entries.
 */
const MAX_STRANGERS = 100_000;

type Position = readonly [ms: number, number: number];

/** The audit log. Entries are only appended, and trimmed after their retention. */
export class AuditLog {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Appends an entry durably. Returns its id; ids ascend in the order of appending. */
  async append(entry: NewAuditEntry): Promise<string> {
    const isStranger = entry.actor.kind === 'anonymous' && entry.outcome === 'refused';
    const id = await runScript(
      this.#redis,
      'append-audit',
      [isStranger ? this.#keys.auditStrangers() : this.#keys.audit(), this.#keys.auditLast()],
      [JSON.stringify(entry), isStranger ? MAX_STRANGERS : ''],
    );
    return String(id);
  }

  /** Reads the first entries of a range, oldest first. */
  async read({ since = 0, until, after }: AuditRange, limit: number): Promise<AuditEntry[]> {
    const from = after === undefined ? `${since}-0` : later(next(after), [since, 0]);
    const to = until === undefined ? '+' : `${until - 1}-${Number.MAX_SAFE_INTEGER}`;
    const parts = await Promise.all(
      [this.#keys.audit(), this.#keys.auditStrangers()].map((key) => this.#redis.xrange(key, from, to, 'COUNT', limit)),
    );
    return parts
      .flat()
      .sort(([a], [b]) => compare(position(a), position(b)))
      .slice(0, limit)
      .map(([id, fields]) => parse(id, fields[1] ?? '{}'));
  }

  /** Trims entries from before `before`, ms since the epoch; approximately, because Redis trims whole blocks. */
  async trim(before: number): Promise<void> {
    await this.#redis.xtrim(this.#keys.audit(), 'MINID', '~', `${before}-0`);
    await this.#redis.xtrim(this.#keys.auditStrangers(), 'MINID', '~', `${before}-0`);
  }
}

function parse(id: string, json: string): AuditEntry {
  const entry = JSON.parse(json) as NewAuditEntry;
  return { id, at: new Date(position(id)[0]).toISOString(), ...entry };
}

function position(id: string): Position {
  const [ms = '0', number = '0'] = id.split('-');
  return [Number(ms), Number(number)];
}

function next(id: string): Position {
  const [ms, number] = position(id);
  return [ms, number + 1];
}

function compare(a: Position, b: Position): number {
  return a[0] - b[0] || a[1] - b[1];
}

function later(a: Position, b: Position): string {
  return (compare(a, b) > 0 ? a : b).join('-');
}
