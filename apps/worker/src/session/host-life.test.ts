import { randomUUID } from 'node:crypto';
import type { SnapshotView } from '@kiln/contracts';
import { isTerminal } from '@kiln/domain';
import { Leadership } from '@kiln/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import { CachingExecutor } from '../testing/caching-executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { HeldExecutor } from '../testing/held-executor.ts';
import { eventually, type TestHost, useTestHost } from '../testing/test-host.ts';
import type { RunningWorker } from '../worker.ts';
import type { WorkerOptions } from '../worker-options.ts';

/** Reports are so rare that an order that is obeyed at once must have been brought forward by an event. */
const SELDOM = { leaseTtlMs: 60_000, syncEveryMs: 30_000, fenceMarginMs: 4_000 };
const HANDED_BACK = { end: 'lost', failure: { code: 'host_drained' } };

/** A store that has no snapshot and takes none. */
const NO_SNAPSHOTS: SnapshotStore = {
  target: () => ({ missingFiles: async () => [], store: async () => {} }),
  add: async () => Promise.reject(new Error('not expected')),
  find: async () => undefined,
};

const fixture = useTestHost();
let pool: TestHost;
let executor: HeldExecutor;

beforeEach(async () => {
  pool = fixture.host;
  executor = new HeldExecutor();
});
afterEach(async () => {
  executor.finish();
});

const startHost = (options: Partial<WorkerOptions> = {}, incarnation: string = randomUUID()): Promise<RunningWorker> =>
  pool.start(
    { labels: { disk: 'ssd' }, ...SELDOM, ...options },
    {
      executors: fixedExecutors([executor]),
      identity: { machine: 'm1', incarnation },
      disk: async () => ({ totalBytes: 1_000, freeBytes: 400 }),
    },
  );
const runs = (id: string) => eventually(() => executor.running.has(id) || undefined);

test('reports slots, labels, versions and its disk', async () => {
  await startHost();
  expect((await pool.host()).report).toMatchObject({
    slots: 2,
    labels: { disk: 'ssd' },
    platforms: ['linux/amd64'],
    engineVersion: '26',
    buildkitVersion: '0.12',
    disk: { totalBytes: 1_000, freeBytes: 400 },
  });
});

describe('slots', () => {
  test('changed by an operator count without a restart, and fewer stop no running build', async () => {
    await startHost({ slots: 1 });
    const ids = [await pool.deliver()];
    await expect(pool.deliver()).rejects.toThrow('no_slot');
    await pool.state.hostOperations.change('h1', { slots: 3 });
    ids.push(await pool.deliver(), await pool.deliver());
    await Promise.all(ids.map(runs));
    await pool.state.hostOperations.change('h1', { slots: 1 });
    await expect(pool.deliver()).rejects.toThrow('no_slot');
    expect(executor.stopped).toEqual([]);
    executor.finish();
    await Promise.all(ids.map((id) => pool.build(id, ({ state }) => state === 'succeeded')));
    await runs(await pool.deliver());
    await expect(pool.deliver()).rejects.toThrow('no_slot');
  });
});

describe('a drain by an operator', () => {
  test('lets running builds finish; the worker stays, drained, and accepts builds again when uncordoned', async () => {
    await startHost();
    const id = await pool.deliver();
    await runs(id);
    await pool.state.hostOperations.drain('h1');
    await expect(pool.deliver()).rejects.toThrow('host_unfit');
    expect(executor.stopped).toEqual([]);
    executor.finish();
    await pool.build(id, ({ state }) => state === 'succeeded');
    expect(await pool.host(({ held }) => held.length === 0)).toMatchObject({ alive: true, draining: true });
    await pool.state.hostOperations.uncordon('h1');
    await runs(await pool.deliver());
  });

  test('hands back what still runs at its deadline, with host_drained', async () => {
    await startHost();
    const id = await pool.deliver();
    await runs(id);
    await pool.state.hostOperations.drain('h1', 300);
    const again = await pool.build(id, ({ state }) => state === 'queued');
    expect(executor.stopped).toEqual(['drain']);
    expect(again.attempts).toMatchObject([HANDED_BACK]);
    await pool.host(({ held, alive }) => held.length === 0 && alive);
  });

  test('stops nothing if it is revoked before its deadline', async () => {
    await startHost({ syncEveryMs: 50 });
    const id = await pool.deliver();
    await runs(id);
    await pool.state.hostOperations.drain('h1', 800);
    await pool.state.hostOperations.uncordon('h1');
    const since = Date.now();
    await pool.host(({ lastSeenAt }) => lastSeenAt > since + 1_000);
    expect(executor.stopped).toEqual([]);
  });

  test('also hands back an attempt that hasn’t begun, and does not begin it when its job is late', async () => {
    await startHost();
    const id = await pool.assigned();
    await pool.state.hostOperations.drain('h1', 0);
    expect((await pool.build(id, ({ state }) => state === 'queued')).attempts).toMatchObject([HANDED_BACK]);
    await pool.state.queues.enqueue('h1', { buildId: id, attempt: 1 });
    await pool.state.hostOperations.uncordon('h1');
    const next = await pool.deliver();
    await runs(next);
    expect([...executor.running]).toEqual([next]);
  });

  test('leaves a canceled build canceled', async () => {
    await startHost();
    const id = await pool.assigned();
    await pool.state.builds.cancel(id);
    await pool.state.hostOperations.drain('h1', 0);
    expect(await pool.build(id, ({ state }) => isTerminal(state))).toMatchObject({
      state: 'canceled',
      attempts: [{ end: 'canceled', failure: { code: 'canceled' } }],
    });
  });

  test('is obeyed by a worker that starts during it', async () => {
    const first = await startHost();
    await pool.state.hostOperations.drain('h1');
    await first.drain(0);
    const second = await startHost({ exitWhenDrained: true });
    await expect(pool.deliver()).rejects.toThrow('host_unfit');
    expect(await second.left).toBe('drained');
  });
});

describe('with exitWhenDrained', () => {
  test('the worker leaves by itself when the drain is complete, and its successor accepts builds', async () => {
    const worker = await startHost({ exitWhenDrained: true });
    const id = await pool.deliver();
    await runs(id);
    await pool.state.hostOperations.drain('h1');
    let isGone = false;
    void worker.left.then(() => {
      isGone = true;
    });
    await pool.host(({ draining }) => draining);
    expect(isGone).toBe(false);
    executor.finish();
    expect(await worker.left).toBe('drained');
    expect((await pool.state.builds.get(id))?.record).toMatchObject({ state: 'succeeded' });
    expect(await pool.state.hosts.list()).toEqual([]);
    await startHost({ exitWhenDrained: true });
    await runs(await pool.deliver());
  });

  describe('and caches', () => {
    let worker: RunningWorker;
    const mounted = () => pool.host(({ inventory }) => inventory?.mounts.length === 1);
    const reported = async () => {
      const since = Date.now();
      await pool.host(({ lastSeenAt }) => lastSeenAt > since + 300);
    };
    const stays = async () => expect(await Promise.race([worker.left, Promise.resolve('stays')])).toBe('stays');
    /** The leader's mark. */
    const mark = async (caches: 'moving' | 'moved', token: string) => {
      const { orders, inventoryDigest } = await pool.host(({ draining, held }) => draining && held.length === 0);
      await pool.state.hosts.markMoves('h1', orders.drain ?? { since: 0 }, caches, inventoryDigest, token);
    };
    const start = async (options: Partial<WorkerOptions>, snapshots: Partial<SnapshotStore> = {}) => {
      const executor = new CachingExecutor('trusted', 1_000);
      executor.mount('app//root/.npm', 10);
      worker = await pool.start(
        { ...SELDOM, exitWhenDrained: true, syncEveryMs: 100, ...options },
        { executors: fixedExecutors([executor]), snapshots: { ...NO_SNAPSHOTS, ...snapshots } },
      );
      await pool.build(await pool.deliver());
      await mounted();
    };
    const lead = async () => (await new Leadership(pool.state.redis, pool.state.keys, 'test', 60_000).hold()) ?? '';

    test('the worker stays until the leader says that they have moved, and its tasks have ended', async () => {
      const saved = Promise.withResolvers<SnapshotView>();
      await start({ unmarkedMs: 100 }, { find: () => saved.promise });
      const token = await lead();
      const { tasks } = pool.state;
      const seed = { type: 'seed', repo: 'app', domain: 'trusted', snapshot: tasks.newId() } as const;
      const { id = '' } = (await tasks.create('h1', { ...seed, type: 'save' })) ?? {};
      await eventually(async () => ((await tasks.get(id))?.state === 'running' ? true : undefined));
      await pool.state.hostOperations.drain('h1');
      await mark('moving', token);
      saved.resolve({ storedBytes: 10, mounts: [] as SnapshotView['mounts'] } as SnapshotView);
      await eventually(async () => ((await tasks.get(id))?.state === 'succeeded' ? true : undefined));
      await reported();
      await stays();
      await mark('moved', token);
      expect(await worker.left).toBe('drained');
    });

    test('the worker leaves after a while if no leader says anything', async () => {
      await start({ unmarkedMs: 600 });
      await pool.state.hostOperations.drain('h1');
      await reported();
      await stays();
      expect(await worker.left).toBe('drained');
    });
  });

  test('the worker does not leave because of a cordon or an idle host', async () => {
    const worker = await startHost({ exitWhenDrained: true, syncEveryMs: 20 });
    await pool.state.hostOperations.cordon('h1');
    const since = Date.now();
    await pool.host(({ lastSeenAt }) => lastSeenAt > since + 200);
    expect(await Promise.race([worker.left, Promise.resolve('stays')])).toBe('stays');
  });
});

describe('the removal', () => {
  test('of an idle host ends its worker at once, and keeps it from joining again', async () => {
    const worker = await startHost({}, 'i1');
    expect(await pool.state.hostOperations.remove('h1', false)).toMatchObject({ outcome: 'removed' });
    expect(await worker.left).toBe('removed');
    await worker.drain(0);
    expect(await pool.state.hosts.list()).toEqual([]);
    await expect(startHost({}, 'i1')).rejects.toMatchObject({ code: 'host_removed' });
  });

  test('by force hands everything back first', async () => {
    const worker = await startHost();
    const ids = [await pool.deliver(), await pool.assigned()];
    await runs(ids[0] ?? '');
    expect(await pool.state.hostOperations.remove('h1', true)).toMatchObject({ outcome: 'removing' });
    expect(await worker.left).toBe('removed');
    for (const id of ids) {
      expect((await pool.state.builds.get(id))?.record).toMatchObject({ state: 'queued', attempts: [HANDED_BACK] });
    }
    expect(await pool.state.hosts.list()).toEqual([]);
  });
});

test('the drain of a stopping worker also hands back attempts that haven’t begun', async () => {
  const worker = await startHost();
  const ids = [await pool.deliver(), await pool.assigned()];
  await runs(ids[0] ?? '');
  await worker.drain(0);
  for (const id of ids) {
    expect((await pool.state.builds.get(id))?.record).toMatchObject({ state: 'queued', attempts: [HANDED_BACK] });
  }
  expect(await pool.state.hosts.list()).toEqual([]);
});
