import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openState, type State } from '../open-state.ts';
import { moment } from '../testing/rewind.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { HostRemoved, WorkerReplaced } from './errors.ts';
import type { WorkerIdentity } from './host-store.ts';

const LEASE_MS = 60_000;
let redis: TestRedis;
let state: State;

beforeAll(async () => {
  redis = await TestRedis.start();
  state = await openState({
    redisUrl: redis.url,
    namespace: 'hosts',
    secretKey: Buffer.alloc(32, 1),
    onError: () => {},
  });
});
afterAll(async () => {
  await state[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});
beforeEach(() => void state.redis.flushall());

const report = {
  ...{ name: 'h1', slots: 2, platforms: [], labels: {}, driver: 'docker' as const },
  ...{ engineVersion: '1', buildxVersion: '1', accepting: true },
};
const sync = (identity: WorkerIdentity) => state.hosts.sync(report, identity, LEASE_MS);

async function worker(incarnation: string, machine = 'm1'): Promise<WorkerIdentity> {
  return { machine, incarnation, epoch: await state.hosts.nextEpoch() };
}

/** Removes everything that expires, as if days had passed. */
async function afterDays(): Promise<void> {
  for (const key of await state.redis.keys('*')) {
    if ((await state.redis.pttl(key)) >= 0) await state.redis.del(key);
  }
}

test('a worker that was frozen for days doesn’t displace its successor, with or without a lease', async () => {
  const frozen = await worker('old');
  await sync(frozen);
  const successor = await worker('new');
  await sync(successor);
  await afterDays();
  await expect(sync(frozen)).rejects.toThrow(WorkerReplaced);
  await sync(successor);
  await afterDays();
  await sync(successor);
  await expect(sync(frozen)).rejects.toThrow(WorkerReplaced);
  expect((await state.hosts.get('h1'))?.incarnation).toBe('new');
});

test('a worker that was frozen before its first report doesn’t displace its successor', async () => {
  const frozen = await worker('old');
  const successor = await worker('new');
  await sync(successor);
  await expect(sync(frozen)).rejects.toThrow(WorkerReplaced);
});

test('workers of a removed host are refused for good, but newer ones may join', async () => {
  const first = await worker('first');
  const second = await worker('second');
  await sync(first);
  await sync(second);
  await state.hostOperations.remove('h1', false);
  await afterDays();
  await expect(sync(second)).rejects.toThrow(HostRemoved);
  await expect(sync(first)).rejects.toThrow(HostRemoved);
  const third = await worker('third');
  await sync(third);
  expect((await state.hosts.get('h1'))?.incarnation).toBe('third');
  await expect(sync(second)).rejects.toThrow(HostRemoved);
});

test('an epoch that Redis has lost isn’t given out again', async () => {
  const before = await moment(state.redis);
  const lost = await worker('lost');
  await before.rewind();
  const next = await worker('next');
  expect(Number(next.epoch)).toBeGreaterThan(Number(lost.epoch));
});

test('of two workers with the same epoch the one that joined first stays', async () => {
  const first = await worker('first');
  await sync(first);
  await expect(sync({ ...first, incarnation: 'twin' })).rejects.toThrow(WorkerReplaced);
  await sync(first);
});

test('workers of a version without epochs replace each other as before', async () => {
  const old: WorkerIdentity = { machine: 'm1', incarnation: 'old' };
  await sync(old);
  await sync(await worker('new'));
  await expect(sync(old)).rejects.toThrow(WorkerReplaced);
  await sync({ machine: 'm1', incarnation: 'older version, newly started' });
  expect((await state.hosts.get('h1'))?.incarnation).toBe('older version, newly started');
});
