import type { Redis } from 'ioredis';

/** A state of a Redis that it can be reset to, like a failover that loses the last writes, or a restored backup. */
export interface Moment {
  rewind(): Promise<void>;
}

/** Records every key with its value and expiry. */
export async function moment(redis: Redis): Promise<Moment> {
  const keys = await redis.keys('*');
  const kept = await Promise.all(
    keys.map(async (key) => ({ key, dump: await redis.dumpBuffer(key), expiresAt: await redis.pexpiretime(key) })),
  );
  return {
    async rewind() {
      // In one step, because others keep writing.
      const steps = redis.multi().flushall();
      for (const { key, dump, expiresAt } of kept) {
        if (dump) steps.restore(key, Math.max(0, expiresAt), dump, 'ABSTTL');
      }
      await steps.exec();
    },
  };
}
