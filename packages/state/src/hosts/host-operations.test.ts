import { describe, expect, vi } from 'vitest';
import { NotLeader } from '../builds/errors.ts';
import { test } from '../testing/host-pool.ts';
import { TooManyLabels } from './errors.ts';

describe('cordoning', () => {
  test('keeps new builds from the host, leaves those that it has, and is announced', async ({ pool }) => {
    await pool.join();
    const { ref } = await pool.assign();
    const before = await pool.events();
    expect(await pool.operations.cordon('h1')).toMatchObject({ cordoned: true, draining: false });
    expect(await pool.events()).toBe(before + 1);
    expect((await pool.assign()).outcome).toBe('host_unfit');
    expect(await pool.join()).toMatchObject({ cordoned: true, attempts: [{ buildId: ref.buildId, cancel: false }] });
    expect((await pool.join()).drain).toBeUndefined();
    expect(await pool.operations.uncordon('h1')).toMatchObject({ cordoned: false });
    expect((await pool.assign()).outcome).toBe('assigned');
  });

  test('outlasts restarts of the worker, orderly or not', async ({ pool }) => {
    await pool.join();
    await pool.operations.cordon('h1');
    await pool.join('i2');
    expect((await pool.assign({ incarnation: 'i2' })).outcome).toBe('host_unfit');
    await pool.state.hosts.leave('h1', 'i2');
    expect(await pool.host()).toMatchObject({ left: true, alive: false, cordoned: true });
    expect(await pool.join('i3')).toMatchObject({ cordoned: true });
    expect(await pool.host()).toMatchObject({ left: false, alive: true });
    expect((await pool.assign({ incarnation: 'i3' })).outcome).toBe('host_unfit');
  });
});

describe('draining', () => {
  test('cordons the host as well, and uncordoning ends both', async ({ pool }) => {
    await pool.join();
    const { ref } = await pool.assign();
    expect(await pool.operations.drain('h1')).toMatchObject({ cordoned: true, draining: true });
    expect((await pool.assign()).outcome).toBe('host_unfit');
    expect((await pool.join()).drain).toEqual({});
    await pool.finish(ref);
    expect((await pool.host()).held).toEqual([]);
    expect(await pool.operations.uncordon('h1')).toMatchObject({ cordoned: false, draining: false });
    expect((await pool.join()).drain).toBeUndefined();
  });

  test('tells the worker the time left by Redis’ clock; repeating it replaces the deadline', async ({ pool }) => {
    await pool.join();
    await pool.operations.drain('h1', 60_000);
    const { since } = (await pool.host()).orders.drain ?? {};
    const { handBackInMs = 0 } = (await pool.join()).drain ?? {};
    expect(handBackInMs).toBeGreaterThan(30_000);
    expect(handBackInMs).toBeLessThanOrEqual(60_000);
    await pool.operations.drain('h1', 0);
    expect((await pool.join()).drain).toEqual({ handBackInMs: 0 });
    await pool.operations.drain('h1');
    expect((await pool.join()).drain).toEqual({});
    expect((await pool.host()).orders.drain).toEqual({ since });
  });

  test('tells the worker at once how far its caches have moved, until they change or another drain begins', async ({
    pool,
  }) => {
    const { hosts, keys, redis } = pool.state;
    const told = async () => [(await pool.join()).drain?.caches, (await pool.host()).orders.drain?.caches];
    const drain = async () => (await pool.operations.drain('h1'))?.orders.drain ?? { since: 0 };
    const digest = (value: string) => redis.hset(keys.hostInventory('h1'), 'digest', value, 'doc', 'null');
    await pool.join();
    const { ref } = await pool.assign();
    const first = await drain();
    expect(await told()).toEqual([undefined, undefined]);
    await digest('d1');
    const before = await pool.events();
    for (let n = 0; n < 2; n += 1) await hosts.markMoves('h1', first, 'moving', 'd1', pool.token);
    expect(await pool.events()).toBe(before + 1);
    // What it still runs may leave caches.
    await hosts.markMoves('h1', first, 'moved', 'd1', pool.token);
    expect(await told()).toEqual(['moving', 'moving']);
    await pool.finish(ref);
    await hosts.markMoves('h1', first, 'moved', 'd1', pool.token);
    expect(await told()).toEqual(['moved', 'moved']);
    await digest('d2');
    expect(await told()).toEqual(['moving', 'moving']);
    await hosts.markMoves('h1', first, 'moved', 'd2', pool.token);
    await pool.operations.uncordon('h1');
    await vi.waitUntil(() => Date.now() > first.since, { timeout: 60_000 });
    const second = await drain();
    expect(await told()).toEqual([undefined, undefined]);
    await hosts.markMoves('h1', first, 'moved', 'd2', pool.token);
    expect(await told()).toEqual([undefined, undefined]);
    await expect(hosts.markMoves('h1', second, 'moved', 'd2', 'older-token')).rejects.toThrow(NotLeader);
    await hosts.markMoves('h2', second, 'moved', 'd2', pool.token);
    expect(await hosts.get('h2')).toBeUndefined();
    expect(await redis.exists(keys.host('h2'))).toBe(0);
  });

  test('while builds are being assigned leaves the host with exactly those that were assigned', async ({ pool }) => {
    await pool.join('i1', { slots: 64 });
    const outcomes = await Promise.all([
      ...Array.from({ length: 20 }, () => pool.assign()),
      pool.operations.drain('h1').then(() => undefined),
      ...Array.from({ length: 20 }, () => pool.assign()),
    ]);
    const assigned = outcomes.filter((each) => each?.outcome === 'assigned');
    const { held, draining } = await pool.host();
    expect(draining).toBe(true);
    expect(held).toHaveLength(assigned.length);
    expect((await pool.join('i1', { slots: 64 })).attempts).toHaveLength(assigned.length);
    await Promise.all(assigned.map((each) => each && pool.finish(each.ref)));
    expect((await pool.host()).held).toEqual([]);
    expect((await pool.assign()).outcome).toBe('host_unfit');
  });

  test('ends when the worker leaves because of it, so that its successor gets builds again', async ({ pool }) => {
    await pool.join();
    await pool.operations.change('h1', { slots: 4 });
    await pool.operations.drain('h1');
    await pool.state.hosts.leave('h1', 'i1', true);
    expect(await pool.host()).toMatchObject({ left: true, cordoned: false, draining: false, report: { slots: 4 } });
    expect(await pool.join('i2')).toMatchObject({ cordoned: false, slots: 4 });
    await pool.operations.change('h1', { slots: null });
    await pool.operations.drain('h1');
    await pool.state.hosts.leave('h1', 'i2', true);
    expect(await pool.state.hosts.list()).toEqual([]);
    expect(await pool.keys()).toEqual([pool.state.keys.hostsDeparted()]);
  });
});

describe('changing settings', () => {
  test('overrides the worker’s own at once and across its restarts, until they are reset', async ({ pool }) => {
    await pool.join();
    const changed = await pool.operations.change('h1', {
      slots: 3,
      labels: { zone: 'b', gpu: 'yes', disk: null },
    });
    const wanted = { slots: 3, labels: { zone: 'b', gpu: 'yes' } };
    const own = { slots: 2, labels: { disk: 'ssd', zone: 'a' } };
    expect(changed).toMatchObject({ report: wanted, reported: own });
    expect(changed?.report.labels).toEqual(wanted.labels);
    expect(await pool.join('i2', { slots: 8 })).toMatchObject(wanted);
    expect((await pool.host()).report.labels).toEqual(wanted.labels);
    expect(await pool.operations.change('h1', { slots: null, labels: { zone: 'c' } })).toMatchObject({
      report: { slots: 8, labels: { zone: 'c', gpu: 'yes' } },
    });
    expect(await pool.operations.change('h1', { reset: true, slots: 5, labels: { only: '' } })).toMatchObject({
      report: { slots: 5, labels: { ...own.labels, only: '' } },
    });
    expect(await pool.operations.change('h1', { reset: true })).toMatchObject({
      report: { slots: 8, labels: own.labels },
      orders: { labels: {} },
    });
    expect(await pool.state.redis.exists(pool.state.keys.hostDesired('h1'))).toBe(0);
  });

  test('stores nothing when it removes a label that doesn’t exist, and can set a removed one again', async ({
    pool,
  }) => {
    await pool.join();
    expect((await pool.operations.change('h1', { labels: { nothing: null } }))?.orders.labels).toEqual({});
    expect((await pool.operations.change('h1', { labels: { zone: null } }))?.report.labels).toEqual({
      disk: 'ssd',
    });
    expect((await pool.operations.change('h1', { labels: { zone: 'd' } }))?.report.labels).toMatchObject({
      zone: 'd',
    });
  });

  test('concurrently loses no change', async ({ pool }) => {
    await pool.join();
    const names = Array.from({ length: 20 }, (_, i) => `l${i}`);
    await Promise.all(names.map((label) => pool.operations.change('h1', { labels: { [label]: 'x' } })));
    expect(Object.keys((await pool.host()).orders.labels).sort()).toEqual(names.sort());
  });

  test('is refused if the host would have too many labels, including the worker’s own', async ({ pool }) => {
    await pool.join();
    const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`l${i}`, 'x']));
    await expect(pool.operations.change('h1', { slots: 9, labels: labels(31) })).rejects.toThrow(TooManyLabels);
    expect((await pool.host()).orders).toMatchObject({ labels: {} });
    expect((await pool.host()).report.slots).toBe(2);
    await pool.operations.change('h1', { labels: { ...labels(31), zone: null } });
    expect(Object.keys((await pool.host()).report.labels)).toHaveLength(32);
  });

  test('to fewer slots than are taken stops no build, and admits none until there is room for its weight', async ({
    pool,
  }) => {
    await pool.join('i1', { slots: 4 });
    const big = await pool.assign({ weight: 3 });
    await pool.operations.change('h1', { slots: 2 });
    expect((await pool.join()).attempts).toHaveLength(1);
    expect((await pool.assign()).outcome).toBe('no_slot');
    await pool.operations.change('h1', { slots: 5 });
    expect((await pool.assign({ weight: 3 })).outcome).toBe('no_slot');
    expect((await pool.assign({ weight: 2 })).outcome).toBe('assigned');
    await pool.finish(big.ref);
    await pool.operations.change('h1', { slots: 2 });
    expect((await pool.assign()).outcome).toBe('no_slot');
  });

  test('limits a leader with an outdated view to the lower number of slots', async ({ pool }) => {
    await pool.join('i1', { slots: 1 });
    await pool.operations.change('h1', { slots: 2 });
    expect((await pool.assign({ slots: 1 })).outcome).toBe('assigned');
    expect((await pool.assign({ slots: 1 })).outcome).toBe('no_slot');
    expect((await pool.assign({ slots: 9 })).outcome).toBe('assigned');
    expect((await pool.assign({ slots: 9 })).outcome).toBe('no_slot');
  });
});

test('free disk space and load are stored without being announced', async ({ pool }) => {
  await pool.join('i1', { disk: { totalBytes: 100, freeBytes: 50 } });
  const before = await pool.events();
  const load = { average: 3.25, cpus: 4 };
  await pool.join('i1', { disk: { totalBytes: 100, freeBytes: 49 }, load });
  expect((await pool.host()).report).toMatchObject({ disk: { totalBytes: 100, freeBytes: 49 }, load });
  expect(await pool.events()).toBe(before);
  await pool.join('i1', { disk: { totalBytes: 100, freeBytes: 49 }, labels: {} });
  expect(await pool.events()).toBe(before + 1);
});
