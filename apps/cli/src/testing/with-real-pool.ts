import { afterAll, beforeAll } from 'vitest';
import { type FakeIo, type FakeIoOptions, fakeIo } from './fake-io.ts';
import { RealPool } from './real-pool.ts';
import { type RunResult, runIn } from './run.ts';

export interface RealPoolCli {
  /** The pool that the tests of the file share. */
  readonly pool: RealPool;
  /** A process whose environment names the pool. */
  readonly io: (options?: FakeIoOptions) => FakeIo;
  readonly run: (line: string | readonly string[], options?: FakeIoOptions) => Promise<RunResult>;
}

/** Starts a pool that the tests of the file share. */
export function withRealPool(): RealPoolCli {
  let pool: RealPool;
  beforeAll(async () => {
    pool = await RealPool.start();
  });
  afterAll(() => pool[Symbol.asyncDispose]());
  const io = (options: FakeIoOptions = {}) => fakeIo({ ...options, env: { ...pool.env, ...options.env } });
  return {
    get pool() {
      return pool;
    },
    io,
    run: (line, options) => runIn(io(options), line),
  };
}
