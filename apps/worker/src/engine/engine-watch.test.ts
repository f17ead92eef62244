import type { Outcome } from '@kiln/domain';
import { createLogger } from '@kiln/runtime';
import { afterEach, expect, test, vi } from 'vitest';
import { EngineWatch, withEngineWatch } from './engine-watch.ts';
import type { DomainRequest } from './executor.ts';

const log = createLogger({ app: 'test', level: 'silent' });
const LOST: Outcome = { end: 'failed', failure: { code: 'infrastructure', message: 'the engine lost the build' } };
const FAILED: Outcome = { end: 'failed', failure: { code: 'step_failed', message: 'exit code 1' } };

let engine: { away: boolean; checks: number };
let told: boolean[];
let watch: EngineWatch;
afterEach(() => watch.stop());

function start(everyMs: number, tell: (isThere: boolean) => Promise<void> = async () => {}): void {
  engine = { away: false, checks: 0 };
  told = [];
  watch = new EngineWatch({
    async check() {
      engine.checks += 1;
      if (engine.away) throw new Error('connect ECONNREFUSED');
    },
    async onChange(isThere) {
      await tell(isThere);
      told.push(isThere);
    },
    everyMs,
    log,
  });
}

const run = (outcome: Outcome, signal = new AbortController().signal) =>
  withEngineWatch(
    {
      info: { driver: 'docker', engineVersion: '', buildxVersion: '', platforms: [] },
      run: async () => outcome,
      extendFence: async () => {},
      close: async () => {},
    },
    watch,
  ).run({} as DomainRequest, signal);

test('reports once that the engine is gone, and once that it is back', async () => {
  start(5);
  engine.away = true;
  await vi.waitFor(() => expect(told).toHaveLength(1), { timeout: 60_000 });
  const { checks } = engine;
  await vi.waitFor(() => expect(engine.checks).toBeGreaterThan(checks), { timeout: 60_000 });
  engine.away = false;
  await vi.waitFor(() => expect(told).toHaveLength(2), { timeout: 60_000 });
  expect(told).toEqual([false, true]);
});

test('lets an attempt that failed with infrastructure end only after the pool knows whether the engine answers', async () => {
  const pool = Promise.withResolvers<void>();
  start(60_000, () => pool.promise);
  engine.away = true;
  let ended = false;
  const attempt = run(LOST).finally(() => {
    ended = true;
  });
  await vi.waitFor(() => expect(engine.checks).toBe(1), { timeout: 60_000 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toBe(false);
  pool.resolve();
  expect(await attempt).toBe(LOST);
  expect(told).toEqual([false]);
});

test('does not check the engine after a build’s own failure or a stopped attempt', async () => {
  start(60_000);
  expect(await run(FAILED)).toBe(FAILED);
  expect(await run(LOST, AbortSignal.abort('fence'))).toBe(LOST);
  expect(engine.checks).toBe(0);
});

test('lets an attempt end even if reporting to the pool fails', async () => {
  start(60_000, () => Promise.reject(new Error('another machine’s worker has the name')));
  engine.away = true;
  expect(await run(LOST)).toBe(LOST);
});
