import { buildRequest } from '@kiln/contracts';
import { type BuildRecord, limitDefaults } from '@kiln/domain';
import { createLogger } from '@kiln/runtime';
import { consumeAttempts, Leadership, openState, type State } from '@kiln/state';
import { fillMemory, freeMemory, TestRedis } from '@kiln/state/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type RunningScheduler, startScheduler } from './scheduler.ts';

const CONFIG = { leaderTtlMs: 2_000, tickMs: 50, buildRetentionMs: 3_600_000, limits: limitDefaults() };
const log = createLogger({ app: 'test', level: 'silent' });

let redis: TestRedis;
let state: State;
let scheduler: RunningScheduler | undefined;

beforeEach(async () => {
  redis = await TestRedis.start({ maxMemoryBytes: 12 * 1024 * 1024 });
  const secretKey = Buffer.alloc(32, 1);
  state = await openState({ redisUrl: redis.url, namespace: 'pool', secretKey, onError: () => {} });
});
afterEach(async () => {
  await scheduler?.close();
  await state[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const join = (name: string, ttlMs = 600_000) =>
  state.hosts.sync(
    {
      ...{ name, slots: 2, platforms: ['linux/amd64'], labels: {}, driver: 'docker', engineVersion: '1' },
      ...{ buildxVersion: '1', accepting: true },
    },
    { machine: `m-${name}`, incarnation: 'i1' },
    ttlMs,
  );

async function submit(): Promise<string> {
  const spec = { ...buildRequest.parse({ source: { type: 'upload', name: 'app' } }), secrets: [] };
  return (await state.builds.accept({ repo: 'app', spec, secrets: {} })).build.record.id;
}

async function until(id: string, seen: (record: BuildRecord) => boolean): Promise<BuildRecord> {
  for (;;) {
    const record = (await state.builds.get(id))?.record;
    if (record && seen(record)) return record;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function started(id: string) {
  const { attempts } = await until(id, ({ state }) => state === 'assigned');
  const { number: attempt = 0, host = '', incarnation = '', nonce } = attempts.at(-1) ?? {};
  const ref = { buildId: id, attempt, host, incarnation, ...(nonce !== undefined && { nonce }) };
  await state.attempts.start(ref);
  return ref;
}

test('the leader takes back what a dead host held while Redis is out of memory, and places it when there is room again', async () => {
  await join('a');
  const leadership = new Leadership(state.redis, state.keys, 's1', CONFIG.leaderTtlMs);
  const hold = vi.spyOn(leadership, 'hold');
  scheduler = startScheduler(CONFIG, { ...state, leadership, log });
  const [done, lost] = [await started(await submit()), await started(await submit())];
  await fillMemory(state.redis);
  // What the leader learns of this one can't be stored, and that holds up nothing.
  await state.attempts.settle(done, { end: 'succeeded' });
  hold.mockClear();
  while (hold.mock.calls.length < 5) await new Promise((resolve) => setTimeout(resolve, 10));
  await join('b');
  await state.redis.del(state.keys.hostLease('a'));
  const back = await until(lost.buildId, ({ state }) => state === 'queued');
  expect(back.attempts.at(-1)).toMatchObject({ host: 'a', end: 'lost' });

  const jobs: string[] = [];
  await using _consumer = consumeAttempts(
    state.redis,
    state.keys,
    'b',
    { concurrency: 1, onError: () => {} },
    async ({ buildId }) => void jobs.push(buildId),
  );
  await freeMemory(state.redis);
  expect((await until(lost.buildId, ({ state }) => state === 'assigned')).attempts.at(-1)?.host).toBe('b');
  while (jobs.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  // A job that nothing comes of is made again; it is never one of another build.
  expect(new Set(jobs)).toEqual(new Set([lost.buildId]));
});
