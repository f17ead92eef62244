import type { RedisFacts } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { readTogether } from './read-together.ts';

/** What Redis tells of itself, its clock, and the clocks of hosts. */
export interface Diagnosis {
  readonly redis: Omit<RedisFacts, 'replicaProblems'>;
  /** Redis' clock less this process', and how exactly that is known, ms. */
  readonly clock: { readonly offsetMs: number; readonly errorMs: number };
  /** Whether a scheduler has the leader's lease. */
  readonly hasLeader: boolean;
  /** By host with a lease: its clock less Redis', as its last report tells, ms. */
  readonly hostClocks: ReadonlyMap<string, number>;
}

/** Reads what `kiln doctor` needs to know of Redis. @param hosts whose clocks are compared */
export async function diagnose(
  redis: Redis,
  keys: Keys,
  hosts: readonly { readonly name: string; readonly lastSeenAt: number; readonly leaseTtlMs?: number }[],
  now: () => number,
): Promise<Diagnosis> {
  // The first exchange may have waited for others.
  await redis.ping();
  const [sentAt, sentNow] = [performance.now(), now()];
  const [seconds, micros] = await redis.time();
  const roundTripMs = performance.now() - sentAt;
  const redisNow = Number(seconds) * 1000 + Number(micros) / 1000;
  const setting = async (name: string) => ((await redis.config('GET', name).catch(() => [])) as string[])[1];
  const info = await redis.info().catch(() => '');
  const field = (name: string) => new Map(info.split('\r\n').map((line) => splitOnce(line))).get(name);
  const bytes = async (name: string) => numberOf(await setting(name));
  const lastWrite = field('aof_last_write_status');
  const hostClocks = new Map<string, number>();
  for (const host of hosts) {
    const offset = await hostOffset(redis, keys, host);
    if (offset !== undefined) hostClocks.set(host.name, offset);
  }
  return {
    redis: {
      version: field('redis_version'),
      maxmemoryPolicy: await setting('maxmemory-policy'),
      maxmemoryBytes: await bytes('maxmemory'),
      usedBytes: numberOf(field('used_memory')),
      appendOnly: await setting('appendonly'),
      appendFsync: await setting('appendfsync'),
      save: await setting('save'),
      lastWriteOk: lastWrite === undefined ? undefined : lastWrite === 'ok',
      roundTripMs,
    },
    clock: { offsetMs: redisNow - (sentNow + roundTripMs / 2), errorMs: roundTripMs / 2 },
    hasLeader: (await redis.exists(keys.leader())) === 1,
    hostClocks,
  };
}

/**
 * Compares a host's clock with Redis'. A host notes the time of a report by its own clock, and Redis counts the lease from when the report
 * arrived, so both are known of the same moment.
 */
async function hostOffset(
  redis: Redis,
  keys: Keys,
  { name, leaseTtlMs }: { readonly name: string; readonly leaseTtlMs?: number },
): Promise<number | undefined> {
  const [lastSeenAt, leftMs] = await readTogether<[string | null, number]>(
    redis,
    ['HGET', keys.host(name), 'lastSeenAt'],
    ['PTTL', keys.hostLease(name)],
  );
  const [seconds, micros] = await redis.time();
  if (lastSeenAt === null || leftMs < 0 || leaseTtlMs === undefined) return undefined;
  const reportedAt = Number(seconds) * 1000 + Number(micros) / 1000 - (leaseTtlMs - leftMs);
  return Number(lastSeenAt) - reportedAt;
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf(':');
  return [line.slice(0, Math.max(0, at)), line.slice(at + 1)];
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || text === '' ? undefined : Number(text);
}
