import type { Check } from './check.ts';

/** What Redis tells of itself. Settings are absent if CONFIG is forbidden, as with hosted Redis. */
export interface RedisFacts {
  readonly version?: string | undefined;
  readonly maxmemoryPolicy?: string | undefined;
  readonly maxmemoryBytes?: number | undefined;
  readonly usedBytes?: number | undefined;
  readonly appendOnly?: string | undefined;
  readonly appendFsync?: string | undefined;
  /** The setting `save`; empty if Redis writes no snapshots. */
  readonly save?: string | undefined;
  /** Whether the last write of the append-only file succeeded. */
  readonly lastWriteOk?: boolean | undefined;
  /** Time of an exchange, ms. */
  readonly roundTripMs: number;
  /** What a failover could lose, each as a sentence. */
  readonly replicaProblems: readonly string[];
}

const LEAST_VERSION = 7;
const SLOW_MS = 50;
const FULL_SHARE = 0.75;

/** Checks settings and state of Redis: what could lose accepted builds, and what keeps builds from being accepted. */
export function checkRedis(facts: RedisFacts): Check[] {
  return [
    version(facts),
    policy(facts),
    persistence(facts),
    lastWrite(facts),
    memory(facts),
    speed(facts),
    ...facts.replicaProblems.map((found): Check => of('replication', 'problem', found, 'see docs/operate/redis.md')),
  ];
}

function of(subject: string, status: Check['status'], found: string, advice?: string): Check {
  return { area: 'redis', subject, status, found, ...(advice !== undefined && { advice }) };
}

function version({ version: text }: RedisFacts): Check {
  if (text === undefined) return of('version', 'unknown', 'Redis does not tell its version', 'expected 7.0 or later');
  return Number.parseInt(text, 10) < LEAST_VERSION
    ? of('version', 'problem', `got ${text}, expected 7.0 or later`, 'update Redis; Kiln’s scripts don’t run')
    : of('version', 'ok', text);
}

function policy({ maxmemoryPolicy: got }: RedisFacts): Check {
  if (got === undefined) return notTold('maxmemory-policy', 'noeviction');
  return got === 'noeviction'
    ? of('maxmemory-policy', 'ok', got)
    : of('maxmemory-policy', 'problem', `got ${got}, expected noeviction`, 'set it: Redis may throw builds away');
}

function persistence({ appendOnly, appendFsync, save }: RedisFacts): Check {
  if (appendOnly === undefined) return notTold('appendonly', 'yes');
  if (appendOnly !== 'yes') {
    const snapshots = save ? `snapshots only (save ${save})` : 'no snapshots either (save is empty)';
    return of(
      'appendonly',
      'problem',
      `got ${appendOnly}, ${snapshots}, expected yes`,
      'set it: a restart loses accepted builds',
    );
  }
  return appendFsync === 'no'
    ? of(
        'appendonly',
        'warning',
        'yes, but appendfsync is no',
        'set appendfsync to everysec: a crash loses many seconds',
      )
    : of('appendonly', 'ok', `yes, appendfsync ${appendFsync ?? 'not told'}`);
}

function lastWrite({ lastWriteOk }: RedisFacts): Check {
  if (lastWriteOk === undefined) return notTold('aof_last_write_status', 'ok');
  return lastWriteOk
    ? of('aof_last_write_status', 'ok', 'ok')
    : of(
        'aof_last_write_status',
        'problem',
        'the last write failed',
        'look at Redis’ log and at the free space of its volume',
      );
}

function memory({ maxmemoryBytes, usedBytes }: RedisFacts): Check {
  if (usedBytes === undefined) return notTold('used_memory', 'a number');
  const mib = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
  if (!maxmemoryBytes)
    return of(
      'maxmemory',
      'warning',
      `not set; ${mib(usedBytes)} are used`,
      'set it, so that Redis refuses writes instead of being killed for memory',
    );
  const share = usedBytes / maxmemoryBytes;
  return share >= FULL_SHARE
    ? of(
        'maxmemory',
        'warning',
        `${mib(usedBytes)} of ${mib(maxmemoryBytes)} are used`,
        'raise it: at 85 % nothing new is accepted',
      )
    : of('maxmemory', 'ok', `${mib(usedBytes)} of ${mib(maxmemoryBytes)} are used`);
}

function speed({ roundTripMs }: RedisFacts): Check {
  const found = `answers the API in ${roundTripMs.toFixed(1)} ms`;
  return roundTripMs >= SLOW_MS
    ? of('latency', 'warning', found, 'check the load of Redis and of the API, and the network between them')
    : of('latency', 'ok', found);
}

function notTold(subject: string, expected: string): Check {
  return of(subject, 'unknown', `Redis does not tell it, expected ${expected}`, 'check it where Redis is hosted');
}
