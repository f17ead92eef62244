import { buildRequest, type NewHostReport } from '@kiln/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { pendingBuild } from '../builds/pending-store.ts';
import { Leadership } from '../leases/leadership.ts';
import { openState, type State } from '../open-state.ts';
import { decisionFor } from '../testing/decision.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { HostRemoved, TooManyLabels } from './errors.ts';

const LEASE_MS = 60_000;
let redis: TestRedis;
let state: State;
let token: string;
let pools = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

beforeEach(async () => {
  const namespace = `operations-${++pools}`;
  state = await openState({ redisUrl: redis.url, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
  token = (await new Leadership(state.redis, state.keys, 'me', LEASE_MS).hold()) ?? '';
  return () => state[Symbol.asyncDispose]();
});

const report = (change: Partial<NewHostReport> = {}): NewHostReport => ({
  name: 'h1',
  slots: 2,
  platforms: ['linux/amd64'],
  labels: { disk: 'ssd', zone: 'a' },
  driver: 'docker',
  engineVersion: '1',
  buildxVersion: '1',
  accepting: true,
  ...change,
});
const join = (incarnation = 'i1', change: Partial<NewHostReport> = {}) =>
  state.hosts.sync(report(change), { machine: 'm1', incarnation }, LEASE_MS);
const host = async () => {
  const found = await state.hosts.get('h1');
  if (!found) throw new Error('h1 is gone');
  return found;
};
const events = async () =>
  (await state.redis.xrange(state.keys.events(), '-', '+')).filter(([, fields]) => fields.includes('h1')).length;

async function accept(weight = 1) {
  const spec = { ...buildRequest.parse({ source: { type: 'upload', name: 'app' }, weight }), secrets: [] };
  return (await state.builds.accept({ repo: 'app', spec, secrets: {} })).build;
}

/** Assigns a new build to h1, as a leader that believes in `slots` would. */
async function assign({ weight = 1, slots = 100, incarnation = 'i1' } = {}) {
  const pending = pendingBuild(await accept(weight));
  const decision = decisionFor(pending.id, 'h1');
  const { outcome } = await state.pending.assign(pending, { name: 'h1', incarnation, slots }, decision, token);
  return { outcome, ref: { buildId: pending.id, attempt: 1, host: 'h1', incarnation } };
}
const finish = (ref: Awaited<ReturnType<typeof assign>>['ref']) => state.attempts.settle(ref, { end: 'succeeded' });

describe('cordon', () => {
  test('gives the host nothing new, leaves what it holds, and is told by an event', async () => {
    await join();
    const { ref } = await assign();
    const before = await events();
    expect(await state.hostOperations.cordon('h1')).toMatchObject({ cordoned: true, draining: false });
    expect(await events()).toBe(before + 1);
    expect((await assign()).outcome).toBe('host_unfit');
    expect(await join()).toMatchObject({ cordoned: true, attempts: [{ buildId: ref.buildId, cancel: false }] });
    expect((await join()).drain).toBeUndefined();
    expect(await state.hostOperations.uncordon('h1')).toMatchObject({ cordoned: false });
    expect((await assign()).outcome).toBe('assigned');
  });

  test('holds over a restart of the worker, in order or not', async () => {
    await join();
    await state.hostOperations.cordon('h1');
    await join('i2');
    expect((await assign({ incarnation: 'i2' })).outcome).toBe('host_unfit');
    await state.hosts.leave('h1', 'i2');
    expect(await host()).toMatchObject({ left: true, alive: false, cordoned: true });
    expect(await join('i3')).toMatchObject({ cordoned: true });
    expect(await host()).toMatchObject({ left: false, alive: true });
    expect((await assign({ incarnation: 'i3' })).outcome).toBe('host_unfit');
  });
});

describe('drain', () => {
  test('is a cordon with an end; uncordon ends both', async () => {
    await join();
    const { ref } = await assign();
    expect(await state.hostOperations.drain('h1')).toMatchObject({ cordoned: true, draining: true });
    expect((await assign()).outcome).toBe('host_unfit');
    expect((await join()).drain).toEqual({});
    await finish(ref);
    expect((await host()).held).toEqual([]);
    expect(await state.hostOperations.uncordon('h1')).toMatchObject({ cordoned: false, draining: false });
    expect((await join()).drain).toBeUndefined();
  });

  test('tells the worker how long is left, by Redis’ clock alone; asked again, the new deadline holds', async () => {
    await join();
    await state.hostOperations.drain('h1', 60_000);
    const { since } = (await host()).orders.drain ?? {};
    const { handBackInMs = 0 } = (await join()).drain ?? {};
    expect(handBackInMs).toBeGreaterThan(30_000);
    expect(handBackInMs).toBeLessThanOrEqual(60_000);
    await state.hostOperations.drain('h1', 0);
    expect((await join()).drain).toEqual({ handBackInMs: 0 });
    await state.hostOperations.drain('h1');
    expect((await join()).drain).toEqual({});
    expect((await host()).orders.drain).toEqual({ since });
  });

  test('against any number of assignments at once: whatever was assigned is held, and nothing comes after', async () => {
    await join('i1', { slots: 64 });
    const outcomes = await Promise.all([
      ...Array.from({ length: 20 }, () => assign()),
      state.hostOperations.drain('h1').then(() => undefined),
      ...Array.from({ length: 20 }, () => assign()),
    ]);
    const assigned = outcomes.filter((each) => each?.outcome === 'assigned');
    const { held, draining } = await host();
    expect(draining).toBe(true);
    expect(held).toHaveLength(assigned.length);
    expect((await join('i1', { slots: 64 })).attempts).toHaveLength(assigned.length);
    await Promise.all(assigned.map((each) => each && finish(each.ref)));
    expect((await host()).held).toEqual([]);
    expect((await assign()).outcome).toBe('host_unfit');
  });

  test('has done its work when the worker leaves because of it: its successor takes builds again', async () => {
    await join();
    await state.hostOperations.change('h1', { slots: 4 });
    await state.hostOperations.drain('h1');
    await state.hosts.leave('h1', 'i1', true);
    expect(await host()).toMatchObject({ left: true, cordoned: false, draining: false, report: { slots: 4 } });
    expect(await join('i2')).toMatchObject({ cordoned: false, slots: 4 });
    await state.hostOperations.change('h1', { slots: null });
    await state.hostOperations.drain('h1');
    await state.hosts.leave('h1', 'i2', true);
    expect(await state.hosts.list()).toEqual([]);
    expect(await state.redis.keys(`${state.keys.prefix}host*`)).toEqual([]);
  });
});

describe('settings', () => {
  test('go before the worker’s own, at once and over its restarts, until they are taken back', async () => {
    await join();
    const changed = await state.hostOperations.change('h1', {
      slots: 3,
      labels: { zone: 'b', gpu: 'yes', disk: null },
    });
    const wanted = { slots: 3, labels: { zone: 'b', gpu: 'yes' } };
    const own = { slots: 2, labels: { disk: 'ssd', zone: 'a' } };
    expect(changed).toMatchObject({ report: wanted, reported: own });
    expect(changed?.report.labels).toEqual(wanted.labels);
    expect(await join('i2', { slots: 8 })).toMatchObject(wanted);
    expect((await host()).report.labels).toEqual(wanted.labels);
    expect(await state.hostOperations.change('h1', { slots: null, labels: { zone: 'c' } })).toMatchObject({
      report: { slots: 8, labels: { zone: 'c', gpu: 'yes' } },
    });
    expect(await state.hostOperations.change('h1', { reset: true, slots: 5, labels: { only: '' } })).toMatchObject({
      report: { slots: 5, labels: { ...own.labels, only: '' } },
    });
    expect(await state.hostOperations.change('h1', { reset: true })).toMatchObject({
      report: { slots: 8, labels: own.labels },
      orders: { labels: {} },
    });
    expect(await state.redis.exists(state.keys.hostDesired('h1'))).toBe(0);
  });

  test('a label that isn’t there is taken away without a trace; what was taken away can be set again', async () => {
    await join();
    expect((await state.hostOperations.change('h1', { labels: { nothing: null } }))?.orders.labels).toEqual({});
    expect((await state.hostOperations.change('h1', { labels: { zone: null } }))?.report.labels).toEqual({
      disk: 'ssd',
    });
    expect((await state.hostOperations.change('h1', { labels: { zone: 'd' } }))?.report.labels).toMatchObject({
      zone: 'd',
    });
  });

  test('many at once lose none', async () => {
    await join();
    const names = Array.from({ length: 20 }, (_, i) => `l${i}`);
    await Promise.all(names.map((label) => state.hostOperations.change('h1', { labels: { [label]: 'x' } })));
    expect(Object.keys((await host()).orders.labels).sort()).toEqual(names.sort());
  });

  test('no more labels than a host may have, counting the worker’s own', async () => {
    await join();
    const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`l${i}`, 'x']));
    await expect(state.hostOperations.change('h1', { slots: 9, labels: labels(31) })).rejects.toThrow(TooManyLabels);
    expect((await host()).orders).toMatchObject({ labels: {} });
    expect((await host()).report.slots).toBe(2);
    await state.hostOperations.change('h1', { labels: { ...labels(31), zone: null } });
    expect(Object.keys((await host()).report.labels)).toHaveLength(32);
  });

  test('fewer slots than are taken stop nothing, and let nothing in until there is room; weights count', async () => {
    await join('i1', { slots: 4 });
    const big = await assign({ weight: 3 });
    await state.hostOperations.change('h1', { slots: 2 });
    expect((await join()).attempts).toHaveLength(1);
    expect((await assign()).outcome).toBe('no_slot');
    await state.hostOperations.change('h1', { slots: 5 });
    expect((await assign({ weight: 3 })).outcome).toBe('no_slot');
    expect((await assign({ weight: 2 })).outcome).toBe('assigned');
    await finish(big.ref);
    await state.hostOperations.change('h1', { slots: 2 });
    expect((await assign()).outcome).toBe('no_slot');
  });

  test('a leader that still believes in more, or fewer, slots takes no more than there are, nor than it saw', async () => {
    await join('i1', { slots: 1 });
    await state.hostOperations.change('h1', { slots: 2 });
    expect((await assign({ slots: 1 })).outcome).toBe('assigned');
    expect((await assign({ slots: 1 })).outcome).toBe('no_slot');
    expect((await assign({ slots: 9 })).outcome).toBe('assigned');
    expect((await assign({ slots: 9 })).outcome).toBe('no_slot');
  });
});

describe('remove', () => {
  test('takes an empty host out, settings and all, and tells its worker; a new worker may join', async () => {
    await join('i1');
    await join('i2');
    await state.hostOperations.change('h1', { slots: 7 });
    const removed = await state.hostOperations.remove('h1', false);
    expect(removed).toMatchObject({ outcome: 'removed', host: { report: { name: 'h1', slots: 7 } } });
    expect(await state.hosts.list()).toEqual([]);
    await expect(join('i2')).rejects.toThrow(HostRemoved);
    await expect(join('i1')).rejects.toThrow(HostRemoved);
    expect(await state.hosts.list()).toEqual([]);
    expect((await assign({ incarnation: 'i2' })).outcome).toBe('host_unfit');
    expect(await join('i3')).toMatchObject({ slots: 2 });
    const left = (await state.redis.keys(`${state.keys.prefix}*`)).filter((key) => key.includes('q:host-h1'));
    expect(left).toEqual([]);
  });

  test('refuses one that holds builds, and changes nothing', async () => {
    await join();
    const { ref } = await assign();
    expect(await state.hostOperations.remove('h1', false)).toMatchObject({
      outcome: 'busy',
      host: { held: [{ buildId: ref.buildId }] },
    });
    expect(await host()).toMatchObject({ cordoned: false, draining: false });
    await finish(ref);
    expect(await state.hostOperations.remove('h1', false)).toMatchObject({ outcome: 'removed' });
  });

  test('by force: the worker hands back, and its next report after that is the last', async () => {
    await join();
    const { ref } = await assign();
    expect(await state.hostOperations.remove('h1', true)).toMatchObject({ outcome: 'removing' });
    expect((await assign()).outcome).toBe('host_unfit');
    expect(await join()).toMatchObject({ drain: { handBackInMs: 0 }, attempts: [{ buildId: ref.buildId }] });
    const failure = { code: 'host_drained', message: 'drained' } as const;
    await state.attempts.settle(ref, { end: 'failed', failure });
    await expect(join()).rejects.toThrow(HostRemoved);
    expect(await state.hosts.list()).toEqual([]);
    expect((await state.builds.get(ref.buildId))?.record).toMatchObject({ state: 'queued' });
  });

  test('by force, then thought better of', async () => {
    await join();
    const { ref } = await assign();
    await state.hostOperations.remove('h1', true);
    await state.hostOperations.uncordon('h1');
    await finish(ref);
    expect((await join()).drain).toBeUndefined();
    expect((await host()).orders).toMatchObject({ removing: false, cordoned: false });
  });

  test('by force, of a dead host: gone when the leader has taken its builds back', async () => {
    await join();
    const { ref } = await assign();
    await state.redis.del(state.keys.hostLease('h1'));
    expect(await state.hostOperations.remove('h1', true)).toMatchObject({ outcome: 'removing' });
    await state.hosts.purgeLost('h1');
    expect(await host()).toMatchObject({ alive: false, orders: { removing: true } });
    await state.attempts.reclaim(ref, { code: 'host_lost', message: 'lost' }, token);
    await state.hosts.purgeLost('h1');
    expect(await state.hosts.list()).toEqual([]);
    await expect(join()).rejects.toThrow(HostRemoved);
  });

  test('against assignments at once: either the host is gone, or it holds what was assigned', async () => {
    for (let round = 0; round < 10; round++) {
      await join(`r${round}`);
      const [removed, assigned] = await Promise.all([
        state.hostOperations.remove('h1', false),
        assign({ incarnation: `r${round}` }),
      ]);
      expect([removed?.outcome, assigned.outcome]).toEqual(
        removed?.outcome === 'removed' ? ['removed', 'host_unfit'] : ['busy', 'assigned'],
      );
      if (assigned.outcome === 'assigned') await finish(assigned.ref);
    }
  });
});

describe('hosts that are gone', () => {
  test('a lost one stays on the list for a day, then is forgotten', async () => {
    await join();
    await state.redis.del(state.keys.hostLease('h1'));
    await state.hosts.purgeLost('h1');
    expect(await host()).toMatchObject({ alive: false, left: false });
    await state.redis.hset(state.keys.host('h1'), 'lastSeenAt', Date.now() - 25 * 3_600_000);
    await state.hosts.purgeLost('h1');
    expect(await state.redis.keys(`${state.keys.prefix}host*`)).toEqual([]);
  });

  test('one with settings stays until they are taken back or it is removed; a live one stays', async () => {
    await join();
    await state.redis.hset(state.keys.host('h1'), 'lastSeenAt', 0);
    await state.hosts.purgeLost('h1');
    expect(await host()).toMatchObject({ alive: true });
    await state.hostOperations.change('h1', { slots: 3 });
    await state.redis.del(state.keys.hostLease('h1'));
    await state.redis.hset(state.keys.host('h1'), 'lastSeenAt', 0);
    await state.hosts.purgeLost('h1');
    expect(await host()).toMatchObject({ alive: false, report: { slots: 3 } });
    expect(await state.hostOperations.remove('h1', false)).toMatchObject({ outcome: 'removed' });
    await join('i2');
    await state.hostOperations.cordon('h1');
    await state.hosts.leave('h1', 'i2');
    expect(await state.hostOperations.uncordon('h1')).toBeUndefined();
    expect(await state.hosts.list()).toEqual([]);
  });

  test('no order is taken for a host that nobody knows', async () => {
    const { cordon, uncordon, drain, change, remove } = {
      cordon: await state.hostOperations.cordon('h1'),
      uncordon: await state.hostOperations.uncordon('h1'),
      drain: await state.hostOperations.drain('h1', 5),
      change: await state.hostOperations.change('h1', { slots: 3 }),
      remove: await state.hostOperations.remove('h1', true),
    };
    expect([cordon, uncordon, drain, change, remove]).toEqual(Array(5).fill(undefined));
    expect(await state.redis.keys(`${state.keys.prefix}host*`)).toEqual([]);
  });
});

test('the disk’s room is kept, and is no news to anybody', async () => {
  await join('i1', { disk: { totalBytes: 100, freeBytes: 50 } });
  const before = await events();
  await join('i1', { disk: { totalBytes: 100, freeBytes: 49 } });
  expect((await host()).report.disk).toEqual({ totalBytes: 100, freeBytes: 49 });
  expect(await events()).toBe(before);
  await join('i1', { disk: { totalBytes: 100, freeBytes: 49 }, labels: {} });
  expect(await events()).toBe(before + 1);
});
