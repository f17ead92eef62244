import type { HostTask } from '@kiln/contracts';
import { createLogger } from '@kiln/runtime';
import { HostTasks } from '@kiln/state';
import { expect, test } from 'vitest';
import { ActiveBuilds } from '../executors/active-builds.ts';
import { CachingExecutor } from '../testing/caching-executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { HeldExecutor } from '../testing/held-executor.ts';
import { eventually, useTestHost } from '../testing/test-host.ts';
import { type DropDeps, dropCaches } from './drop-caches.ts';
import { TaskFailed, type TaskHandler } from './task-handler.ts';
import { TaskLanes } from './task-lanes.ts';
import { TaskRunner } from './task-runner.ts';

const pool = useTestHost();
const DROP = { type: 'drop' } as const;

async function join(incarnation: string) {
  const report = {
    ...{ name: 'h1', slots: 1, platforms: [], labels: {}, driver: 'docker' as const, accepting: true },
    ...{ engineVersion: '1', buildxVersion: '1' },
  };
  return pool.host.state.hosts.sync(report, { machine: 'm1', incarnation }, 60_000);
}

function runner(drop: TaskHandler<'drop'>, incarnation = 'i1', onIdle?: () => void) {
  const { redis, keys } = pool.host.state;
  return new TaskRunner({
    tasks: new HostTasks(redis, keys),
    writer: { host: 'h1', incarnation },
    handlers: { drop },
    ...(onIdle && { onIdle }),
    log: createLogger({ app: 'test', level: 'silent' }),
  });
}

const create = async () => (await pool.host.state.tasks.create('h1', DROP))?.id ?? '';
const task = (id: string, seen: (task: HostTask) => boolean) =>
  eventually(async () => {
    const found = await pool.host.state.tasks.get(id);
    return found && seen(found) ? found : undefined;
  });
const ended = (id: string) => task(id, ({ endedAt }) => endedAt !== undefined);

test('a worker carries out a task as soon as it is created, and says in its report that it can', async () => {
  await pool.host.start(
    { syncEveryMs: 60_000, leaseTtlMs: 300_000 },
    { executors: fixedExecutors([new HeldExecutor()]) },
  );
  expect((await pool.host.host()).report.tasks).toContain('drop');
  expect(await ended(await create())).toMatchObject({ state: 'succeeded' });
});

test('tasks run one at a time, in order, and a failure concerns only its own task', async () => {
  await join('i1');
  const order: string[] = [];
  const drop: TaskHandler<'drop'> = async (_, { id, progress }) => {
    order.push(`begin ${id}`);
    await progress({ bytes: 1 });
    order.push(`end ${id}`);
    if (id === ids[0]) throw new TaskFailed('failed', 'no such mount');
    if (id === ids[1]) throw new Error('broken');
    return { freedBytes: 7 };
  };
  const ids = [await create(), await create(), await create()];
  runner(drop).order(3);
  expect(await ended(ids[2] ?? '')).toMatchObject({ state: 'succeeded', result: { freedBytes: 7 } });
  expect(order).toEqual(ids.flatMap((id) => [`begin ${id}`, `end ${id}`]));
  expect(await ended(ids[0] ?? '')).toMatchObject({ failure: { code: 'failed', message: 'no such mount' } });
  expect(await ended(ids[1] ?? '')).toMatchObject({ failure: { code: 'failed', message: 'broken' } });
});

test('a parked task continues while the next ones run', async () => {
  await join('i1');
  const held = Promise.withResolvers<void>();
  const first = await create();
  const second = await create();
  const tasks = runner(async (_, { id, park }) => {
    if (id === first) {
      park();
      await held.promise;
    }
    return {};
  });
  tasks.order(2);
  await ended(second);
  expect(await pool.host.state.tasks.get(first)).toMatchObject({ state: 'running' });
  expect(tasks.isBusy).toBe(true);
  tasks.order(1);
  held.resolve();
  await ended(first);
  await eventually(() => (tasks.isBusy ? undefined : true));
});

test('bake files are evaluated while another task runs', async () => {
  await join('i1');
  const held = Promise.withResolvers<void>();
  const { redis, keys, tasks } = pool.host.state;
  const lanes = new TaskLanes({
    tasks: new HostTasks(redis, keys),
    writer: { host: 'h1', incarnation: 'i1' },
    handlers: {
      drop: async () => {
        await held.promise;
        return {};
      },
      evaluate: async ({ bake }) => ({ printed: Object.keys(bake.files).join() }),
    },
    log: createLogger({ app: 'test', level: 'silent' }),
  });
  expect(lanes.types).toEqual(['drop', 'evaluate']);
  const drop = await create();
  lanes.order(1);
  await task(drop, ({ state }) => state === 'running');
  const bake = { files: { a: '' }, names: [], targets: [], set: [], flags: [], variables: {} };
  const evaluated = (await tasks.create('h1', { type: 'evaluate', team: 'web', bake }))?.id ?? '';
  lanes.order(2);
  expect(await ended(evaluated)).toMatchObject({ state: 'succeeded', result: { printed: 'a' } });
  expect(lanes.isBusy).toBe(true);
  held.resolve();
  await ended(drop);
  await eventually(() => (lanes.isBusy ? undefined : true));
});

test('a worker that leaves stops its task after a while, and the next one restarts it', async () => {
  await join('i1');
  const id = await create();
  const began = Promise.withResolvers<void>();
  const leaving = runner(async (_, { signal }) => {
    began.resolve();
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    throw signal.reason;
  });
  leaving.order(1);
  await began.promise;
  await leaving.close(1);
  leaving.order(1);
  expect(await pool.host.state.tasks.get(id)).toMatchObject({ state: 'running' });
  await join('i2');
  runner(async () => ({ again: true }), 'i2').order(1);
  expect(await ended(id)).toMatchObject({ state: 'succeeded', result: { again: true } });
});

test('a drop of a worker that is killed in the middle is repeated by the next one, and what was dropped already isn’t counted', async () => {
  await join('i1');
  const executor = new CachingExecutor('trusted', 0);
  for (const id of ['a/x', 'a/y']) executor.mount(id, 10);
  const caches: DropDeps = {
    ...{ isolation: 'pool', domains: ['trusted'], active: new ActiveBuilds() },
    usages: { of: async () => undefined, all: async () => [] },
    layersOf: async () => ({ users: () => new Map() }),
    with: async (_, use) => use(executor),
  };
  const id = await create();
  // The first worker is killed when one of the mounts is gone: it neither settles the task nor releases it.
  const { prune } = executor;
  const killed = Promise.withResolvers<void>();
  executor.prune = async () => {
    await prune(['r-a/x']);
    killed.resolve();
    return await new Promise<never>(() => {});
  };
  runner(dropCaches(caches, Date.now)).order(1);
  await killed.promise;
  expect(await pool.host.state.tasks.get(id)).toMatchObject({ state: 'running' });
  executor.prune = prune;
  await join('i2');
  runner(dropCaches(caches, Date.now), 'i2').order(1);
  expect(await ended(id)).toMatchObject({ state: 'succeeded', result: { caches: 1, freedBytes: 10 } });
  expect(executor.mounts.size).toBe(0);
});

test('a worker that leaves lets its task end in time', async () => {
  await join('i1');
  const id = await create();
  const leaving = runner(async () => ({ done: true }));
  leaving.order(1);
  await leaving.close(60_000);
  expect(await pool.host.state.tasks.get(id)).toMatchObject({ state: 'succeeded' });
});

test('an order that this version can’t read fails as invalid_order', async () => {
  await join('i1');
  const id = await create();
  const { redis, keys } = pool.host.state;
  await redis.hset(
    keys.task(id),
    'doc',
    JSON.stringify({ id, host: 'h1', createdAt: 1, order: { type: 'drop', kinds: 7 } }),
  );
  let idle = 0;
  const tasks = runner(
    async () => ({}),
    'i1',
    () => {
      idle += 1;
    },
  );
  tasks.order(1);
  await eventually(async () => ((await redis.hget(keys.task(id), 'state')) === 'failed' ? true : undefined));
  expect(JSON.parse((await redis.hget(keys.task(id), 'failure')) ?? '')).toMatchObject({ code: 'invalid_order' });
  await eventually(() => (idle > 0 ? true : undefined));
});
