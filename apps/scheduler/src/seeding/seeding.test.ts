import type { HostTask } from '@kiln/contracts';
import { expect } from 'vitest';
import { APP_CACHE, learnApp, publishCaches } from '../testing/caches.ts';
import { type SchedulerPool, test, until } from '../testing/scheduler-pool.ts';
import { Seeding } from './seeding.ts';

const ABLE = { slots: 1, tasks: ['save', 'seed'] } as const;
const BYTES = APP_CACHE['app//go'];

const tasks = async ({ state }: SchedulerPool) =>
  (await state.tasks.list()).toSorted((a, b) => a.createdAt - b.createdAt || (a.order.type < b.order.type ? -1 : 1));
const told = (all: readonly HostTask[]) => all.map(({ host, order }) => `${order.type} on ${host}`);
/** Waits for as many tasks. */
const ordered = (pool: SchedulerPool, count: number) =>
  until(
    () => tasks(pool),
    (all) => all.length >= count,
  );

/** Carries out the host's next task as its worker would: claims it and settles it. */
async function carryOut({ state }: SchedulerPool, host: string, fails = false): Promise<HostTask> {
  const writer = { host, incarnation: 'i1' };
  const claimed = await until(
    () => state.tasks.claim(writer, ['save', 'seed']),
    (one) => one !== undefined,
  );
  if (!claimed?.task) throw new Error('no task');
  const failure = { code: 'failed' as const, message: 'the disk is full' };
  await state.tasks.settle(writer, claimed.id, fails ? { failure } : { result: { bytes: BYTES } });
  return claimed.task;
}

/** Host `a` has the cache of `app` and is busy with a long build of another repo; `b` joins empty. */
async function busyAndCold(pool: SchedulerPool): Promise<void> {
  await pool.join('a', ABLE);
  await learnApp(pool);
  await publishCaches(pool, 'a', APP_CACHE);
  pool.start();
  await pool.begin(await pool.submit({}, { repo: 'other' }));
  await pool.join('b', ABLE);
}

test('a build that would start cold waits until its host is seeded, and says so', async ({ pool }) => {
  await busyAndCold(pool);
  const build = await pool.submit();
  const decision = await pool.decided(build, 'waits_for_seed');
  expect(decision).toMatchObject({ host: null, predicted: { warmth: 1 } });
  expect(decision?.considered.find(({ host }) => host === 'b')).toMatchObject({
    ...{ verdict: 'awaited', warmth: 0, seeding: { from: 'a' } },
  });
  const save = await carryOut(pool, 'a');
  expect(save.order).toMatchObject({ type: 'save', repo: 'app', domain: 'trusted', seedAfter: { host: 'b' } });
  const seed = await carryOut(pool, 'b');
  const snapshot = save.order.type === 'save' ? save.order.snapshot : '';
  expect(seed.order).toEqual({ type: 'seed', repo: 'app', domain: 'trusted', snapshot });
  expect(await pool.placed(build)).toBe('b');
  expect(await pool.decided(build, 'warm')).toMatchObject({ host: 'b', predicted: { warmth: 1 } });
  expect(told(await tasks(pool))).toEqual(['save on a', 'seed on b']);
});

test('a build starts cold if the seed fails, and the seed is not repeated soon', async ({ pool }) => {
  await busyAndCold(pool);
  const build = await pool.submit();
  await pool.decided(build, 'waits_for_seed');
  await carryOut(pool, 'a', true);
  expect(await pool.placed(build)).toBe('b');
  await pool.run(build, 1_000, { end: 'canceled' });
  const next = await pool.submit();
  expect(await pool.placed(next)).toBe('b');
  expect(told(await tasks(pool))).toEqual(['save on a']);
});

test('a leader that takes over in the middle goes on, and orders nothing twice', async ({ pool }) => {
  await pool.join('a', ABLE);
  await learnApp(pool);
  await publishCaches(pool, 'a', APP_CACHE);
  const first = pool.start('s1');
  await pool.begin(await pool.submit({}, { repo: 'other' }));
  await pool.join('b', ABLE);
  const build = await pool.submit();
  await pool.decided(build, 'waits_for_seed');
  await first.close();
  await carryOut(pool, 'a');
  expect(told(await tasks(pool))).toEqual(['save on a']);
  const second = pool.start('s2');
  expect(told(await ordered(pool, 2))).toEqual(['save on a', 'seed on b']);
  await second.close();
  pool.start('s3');
  expect((await pool.record(build)).state).toBe('queued');
  await carryOut(pool, 'b');
  expect(await pool.placed(build)).toBe('b');
  expect(told(await tasks(pool))).toEqual(['save on a', 'seed on b']);
});

test('what only a drained host has moves to another one, of a version that can take it', async ({ pool }) => {
  await pool.join('a', ABLE);
  await learnApp(pool);
  await publishCaches(pool, 'a', APP_CACHE);
  await pool.join('b', { slots: 1 });
  await pool.join('c', ABLE);
  await pool.state.hostOperations.drain('a');
  pool.start();
  await carryOut(pool, 'a');
  expect((await carryOut(pool, 'c')).order).toMatchObject({ type: 'seed', repo: 'app' });
});

test('caches move as soon as their host is drained, and the next ones when those have arrived', async ({ pool }) => {
  for (const name of ['a', 'b']) await pool.join(name, ABLE);
  await learnApp(pool, ['lib']);
  await publishCaches(pool, 'a', { ...APP_CACHE, 'lib//go': BYTES });
  // The clock stands still, so that nothing is looked for because time has passed.
  const now = pool.now();
  let rounds = 0;
  const onRound = () => {
    rounds += 1;
  };
  pool.start('s1', {}, { now: () => now, onRound });
  await until(
    async () => rounds,
    (count) => count > 1,
  );
  await pool.state.hostOperations.drain('a');
  const moved = [];
  for (let n = 0; n < 2; n += 1) {
    const { order } = await carryOut(pool, 'a');
    moved.push('repo' in order ? order.repo : undefined);
    await carryOut(pool, 'b');
  }
  expect(moved.sort()).toEqual(['app', 'lib']);
});

test('a drained host is told that its caches have moved once nothing is left to be copied, and not before', async ({
  pool,
}) => {
  for (const name of ['a', 'b']) await pool.join(name, ABLE);
  await learnApp(pool, ['lib']);
  await publishCaches(pool, 'a', { ...APP_CACHE, 'lib//go': BYTES });
  const said: (string | undefined)[] = [];
  const { hosts } = pool.state;
  const markMoves: typeof hosts.markMoves = async (...args) => {
    said.push(args[2]);
    await hosts.markMoves(...args);
  };
  const watched = {
    ...{ get: hosts.get.bind(hosts), list: hosts.list.bind(hosts), idle: hosts.idle.bind(hosts) },
    ...{ purgeLost: hosts.purgeLost.bind(hosts), departed: hosts.departed.bind(hosts), markMoves },
  };
  pool.start('s1', {}, { hosts: watched });
  await pool.state.hostOperations.drain('a');
  for (let n = 0; n < 2; n += 1) {
    await carryOut(pool, 'a');
    expect(said).not.toContain('moved');
    await carryOut(pool, 'b');
  }
  const marked = (caches: string) =>
    until(
      async () => (await hosts.get('a'))?.orders.drain?.caches,
      (now) => now === caches,
    );
  await marked('moved');
  expect(said.at(-1)).toBe('moved');
  const count = said.length;
  // The host has new caches, which have to be judged again.
  await publishCaches(pool, 'a', { ...APP_CACHE, 'lib//go': BYTES, 'other//go': BYTES });
  await until(
    async () => said.length,
    (now) => now > count,
  );
  await marked('moved');
});

test('a drained host is told that its caches have moved at once if there is nowhere to, or seeding is turned off', async ({
  pool,
}) => {
  for (const name of ['a', 'b']) await pool.join(name, ABLE);
  await learnApp(pool);
  await publishCaches(pool, 'a', APP_CACHE);
  await pool.state.hostOperations.cordon('b');
  await pool.state.hostOperations.drain('a');
  const moved = (name: string) =>
    until(
      async () => (await pool.state.hosts.get(name))?.orders.drain?.caches,
      (caches) => caches === 'moved',
    );
  const first = pool.start('s1');
  await moved('a');
  await first.close();
  await pool.state.hostOperations.uncordon('b');
  await pool.state.hostOperations.uncordon('a');
  pool.start('s2', { seeding: false });
  await pool.state.hostOperations.drain('a');
  await moved('a');
  expect(await tasks(pool)).toEqual([]);
});

test('a transfer that a replaced leader ordered late counts from the moment at which it is announced', async () => {
  const order = {
    ...{ type: 'save', repo: 'app', domain: 'trusted', snapshot: 's' },
    seedAfter: { task: 't2', host: 'b', repo: 'app', domain: 'trusted', bytes: 1, expectedMs: 60_000, warmth: 1 },
  };
  const late = { id: 't1', host: 'a', order, state: 'waiting', createdAt: 1_000 } as unknown as HostTask;
  const pool = { isSeeding: () => true, hostsOwingSeeds: () => new Set() };
  const view = { now: 2_000, hosts: new Map(), pool } as unknown as ConstructorParameters<typeof Seeding>[0];
  const tasks = { list: async () => [], get: async (id: string) => (id === 't1' ? late : undefined) };
  const seeding = new Seeding(view, { tasks } as unknown as ConstructorParameters<typeof Seeding>[1]);
  await seeding.refresh(true);
  await seeding.advance('token');
  expect(seeding.owing()).toEqual(new Set());
  seeding.note('t1');
  await seeding.advance('token');
  expect(seeding.owing()).toEqual(new Set(['a']));
});

test('no seed comes to a host that is drained before the caches are saved', async ({ pool }) => {
  await busyAndCold(pool);
  const build = await pool.submit();
  await pool.decided(build, 'waits_for_seed');
  await pool.state.hostOperations.drain('b');
  await until(
    async () => (await pool.state.hosts.get('b'))?.draining,
    (draining) => draining === true,
  );
  await pool.decided(build, 'all_full');
  await carryOut(pool, 'a');
  await pool.join('c', { slots: 1 });
  expect(await pool.placed(build)).toBe('c');
  expect(told(await tasks(pool)).filter((one) => one.startsWith('seed'))).toEqual([]);
});

test('nothing is seeded if the operator has turned it off', async ({ pool }) => {
  await pool.join('a', ABLE);
  await learnApp(pool);
  await publishCaches(pool, 'a', APP_CACHE);
  pool.start('s1', { seeding: false });
  await pool.begin(await pool.submit({}, { repo: 'other' }));
  await pool.join('b', ABLE);
  expect(await pool.placed(await pool.submit())).toBe('b');
  expect(await tasks(pool)).toEqual([]);
});
