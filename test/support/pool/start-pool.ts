import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, onTestFinished } from 'vitest';
import type { PoolOptions } from './options.ts';
import { Pool } from './pool.ts';

/**
 * Starts a pool of real processes with a Redis of its own, and waits until it accepts builds. Inside a test, the pool ends with the test
 * and its processes' logs are shown if the test fails. Elsewhere, call `watch` in a `beforeEach` and dispose of the pool.
 */
export async function startPool(options: PoolOptions = {}): Promise<Pool> {
  const redis = await TestRedis.start({
    ...(options.hosts && { listenAt: options.hosts.address }),
    ...(options.appendFsync && { appendFsync: options.appendFsync }),
  });
  const pool = new Pool(options, await mkdtemp(join(tmpdir(), 'kiln-pool-')), redis);
  pool.watch();
  try {
    onTestFinished(() => pool[Symbol.asyncDispose]());
  } catch {
    // Not inside a test: the caller disposes of the pool.
  }
  try {
    await pool.startAll();
    return pool;
  } catch (error) {
    pool.showLogs();
    await pool[Symbol.asyncDispose]().catch(() => {});
    throw error;
  }
}

/**
 * Starts one pool for all tests of a file, because starting its processes takes longer than most of the tests. Before each test it
 * restarts the processes that an earlier test ended, and undoes what was done to hosts.
 * @param begin called once, before the first test
 * @returns a function that returns the pool, to be called inside a test
 */
export function sharedPool(begin: () => PoolOptions | Promise<PoolOptions>, timeoutMs?: number): () => Pool {
  let pool: Pool | undefined;
  beforeAll(async () => {
    pool = await startPool(await begin());
  }, timeoutMs);
  beforeEach(async () => {
    pool?.watch();
    await pool?.recover();
  }, timeoutMs);
  afterAll(() => pool?.[Symbol.asyncDispose](), timeoutMs);
  return () => {
    if (pool === undefined) throw new Error('the pool has not been started yet');
    return pool;
  };
}
