import { afterAll, beforeAll, expect, test } from 'vitest';
import { openState, type State } from '../open-state.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { TreeLocks } from './tree-locks.ts';

let server: TestRedis;
let state: State;
beforeAll(async () => {
  server = await TestRedis.start();
  const pool = { redisUrl: server.url, namespace: 'trees', secretKey: Buffer.alloc(32, 1) };
  state = await openState({ ...pool, onError: () => {}, now: () => 7 });
});
afterAll(async () => {
  await state[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test('one at a time works on the trees of a team, in this process or another, in the order of asking', async () => {
  const { redis, keys } = state;
  const processes = [new TreeLocks(redis, keys), new TreeLocks(redis, keys)] as const;
  let inside = 0;
  const order: number[] = [];
  const work = (i: number) => async () => {
    inside += 1;
    expect(inside).toBe(1);
    await redis.ping();
    order.push(i);
    inside -= 1;
  };
  await Promise.all([0, 1, 2, 3].map((i) => (processes[i % 2] as TreeLocks).exclusively('web', work(i))));
  expect(order.filter((i) => i % 2 === 0)).toEqual([0, 2]);
  expect([...order].sort()).toEqual([0, 1, 2, 3]);
  const failing = processes[0].exclusively('web', async () => {
    throw new Error('of the work');
  });
  await expect(failing).rejects.toThrow('of the work');
  expect(await processes[1].exclusively('web', async () => 'released')).toBe('released');
  await processes[0].exclusively('web', () => processes[1].exclusively('ops', async () => {}));
});

test('a charge of an upload is added once, however often the call is repeated', async () => {
  const ledger = state.storage;
  await ledger.charge('uploads/1', 100, [{ team: 'web', quotaBytes: 100 }]);
  await ledger.add('trees/web', 60, 'web', 'uploads/1');
  await ledger.add('trees/web', 60, 'web', 'uploads/1');
  expect(await ledger.usedBy('web')).toBe(60);
  await ledger.charge('uploads/2', 40, [{ team: 'web', quotaBytes: 100 }]);
  await ledger.add('trees/web', 5, 'web', 'uploads/2');
  expect(await Array.fromAsync(ledger.entries())).toEqual([{ key: 'trees/web', sizeBytes: 65, at: 7, teams: ['web'] }]);
  expect(await ledger.usedBy('web')).toBe(65);
});
