import type { Redis } from 'ioredis';
import { isOutOfMemory } from '../redis/memory.ts';

const PREFIX = 'not-kilns:';
const CHUNK_BYTES = 64 * 1024;

/** Memory that buffers may release meanwhile: with `maxmemory` lowered by it, Redis stays full. */
const SLACK_BYTES = 1024 * 1024;

/**
 * Writes keys that aren't Kiln's until Redis uses `share` of its `maxmemory`; with 1, until it refuses the smallest write, and keeps
 * refusing. Counts memory as Redis and `Memory` do: the buffer of the append-only file, which a busy disk makes grow, doesn't count.
 */
export async function fillMemory(redis: Redis, share = 1): Promise<void> {
  const info = async (name: string) =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(await redis.info('memory'))?.[1] ?? 0);
  const used = async () => (await info('used_memory')) - (await info('mem_not_counted_for_evict'));
  const most = await info('maxmemory');
  let keys = 0;
  const take = async (bytes: number) => {
    keys += 1;
    const refusal = await redis.set(`${PREFIX}${share}:${keys}`, 'x'.repeat(bytes)).catch((error: Error) => error);
    return !isOutOfMemory(refusal);
  };
  for (let left = share * most; left > 0; ) {
    left = share * most - (await used());
    if (left > 0 && !(await take(Math.max(1_024, Math.min(CHUNK_BYTES, Math.floor(left * 0.7)))))) break;
  }
  if (share < 1) return;
  while (await take(16_384));
  await redis.config('SET', 'maxmemory', most - SLACK_BYTES);
}

/** Frees what `fillMemory` wrote. */
export async function freeMemory(redis: Redis): Promise<void> {
  const keys = await redis.keys(`${PREFIX}*`);
  if (keys.length > 0) await redis.del(...keys);
}
