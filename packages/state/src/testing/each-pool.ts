import { afterAll, beforeAll, beforeEach } from 'vitest';
import { TestPool } from './test-pool.ts';
import { TestRedis } from './test-redis.ts';

/** Opens a pool for each test of the file, all in one Redis, and passes it to `use` before the test. */
export function eachTestPool(name: string, use: (pool: TestPool) => void): void {
  let redis: TestRedis;
  let pools = 0;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis[Symbol.asyncDispose]());
  beforeEach(async () => {
    const pool = await TestPool.open(redis.url, `${name}-${++pools}`);
    use(pool);
    return () => pool[Symbol.asyncDispose]();
  });
}
