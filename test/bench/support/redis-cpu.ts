import type { Redis } from 'ioredis';

/** CPU time that Redis has used so far, ms. Unlike a rate, it hardly depends on other load of the machine. */
export async function redisCpuMs(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const seconds = [...info.matchAll(/^used_cpu_(?:user|sys):([\d.]+)/gm)].map(([, value]) => Number(value));
  return seconds.reduce((sum, value) => sum + value, 0) * 1_000;
}
