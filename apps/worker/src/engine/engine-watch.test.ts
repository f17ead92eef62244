import type { Outcome } from '@kiln/domain';
import { createLogger } from '@kiln/runtime';
import { afterEach, expect, test } from 'vitest';
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

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
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

test('notices by itself that the engine is gone, and that it is back; tells each once', async () => {
  start(5);
  engine.away = true;
  await until(() => told.length === 1);
  const { checks } = engine;
  await until(() => engine.checks > checks);
  engine.away = false;
  await until(() => told.length === 2);
  expect(told).toEqual([false, true]);
});

test('an attempt that ends by the infrastructure’s fault ends when the pool knows whether the engine is there', async () => {
  const pool = Promise.withResolvers<void>();
  start(60_000, () => pool.promise);
  engine.away = true;
  let ended = false;
  const attempt = run(LOST).finally(() => {
    ended = true;
  });
  await until(() => engine.checks === 1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toBe(false);
  pool.resolve();
  expect(await attempt).toBe(LOST);
  expect(told).toEqual([false]);
});

test('a build’s own failure says nothing of the engine, nor does one that was stopped', async () => {
  start(60_000);
  expect(await run(FAILED)).toBe(FAILED);
  expect(await run(LOST, AbortSignal.abort('fence'))).toBe(LOST);
  expect(engine.checks).toBe(0);
});

test('a pool that can’t be told keeps no attempt from ending', async () => {
  start(60_000, () => Promise.reject(new Error('another machine’s worker has the name')));
  engine.away = true;
  expect(await run(LOST)).toBe(LOST);
});
