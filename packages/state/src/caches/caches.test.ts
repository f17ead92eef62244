import type { HostInventory } from '@kiln/contracts';
import type { AttemptUsage } from '@kiln/domain';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HostStore } from '../hosts/host-store.ts';
import { openState, type State } from '../open-state.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { CacheIndex } from './cache-index.ts';
import { InventoryStore } from './inventory-store.ts';
import { UsageStore } from './usage-store.ts';

let redis: TestRedis;
let state: State;
let inventories: InventoryStore;
let usages: UsageStore;
let pools = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

beforeEach(async () => {
  state = await openState({
    redisUrl: redis.url,
    namespace: `caches-${++pools}`,
    secretKey: Buffer.alloc(32, 1),
    onError: () => {},
  });
  inventories = new InventoryStore(state.redis, state.keys);
  usages = new UsageStore(state.redis, state.keys);
  return () => state[Symbol.asyncDispose]();
});

const report = (name: string) => ({
  name,
  slots: 2,
  platforms: ['linux/amd64'],
  labels: {},
  driver: 'docker' as const,
  engineVersion: '1',
  buildxVersion: '1',
  accepting: true,
});
const join = (name: string, incarnation = 'i1') =>
  state.hosts.sync(report(name), { machine: `m-${name}`, incarnation }, 60_000);
const writer = (host: string, incarnation = 'i1') => ({ host, incarnation });
const used = (mounts: Record<string, number>, layerBytes = 0): AttemptUsage => ({
  mounts: Object.entries(mounts).map(([id, bytes]) => ({ id, bytes })),
  layerBytes,
  sizesAreFloors: false,
});
const inventory = (mounts: Record<string, number>, layers: Record<string, number> = {}): HostInventory => ({
  sizesAreFloors: false,
  usedBytes: 1,
  mounts: Object.entries(mounts).map(([id, bytes]) => ({ id, bytes, lastUsedAt: 5, inUse: false, records: 1 })),
  mountsLeftOut: 0,
  layers: { count: 0, bytes: 0 },
  repoLayers: Object.entries(layers).map(([repo, bytes]) => ({ repo, bytes, lastUsedAt: 6 })),
});
const cachesOn = async (host: string) => Object.fromEntries((await state.hosts.get(host))?.caches ?? []);

describe('the caches of a host', () => {
  test('are cold before anything is known, warm by the inventory, and colder after an eviction', async () => {
    await join('a');
    expect(await state.hosts.get('a')).toMatchObject({ caches: new Map() });
    expect(await state.hosts.get('a')).not.toHaveProperty('inventory');
    await usages.learn(writer('a'), 'app', used({ 'x//npm': 30, 'x//tsc': 10 }));
    expect(await cachesOn('a')).toEqual({});
    expect(await inventories.publish(writer('a'), inventory({ 'x//npm': 30, 'x//tsc': 10, 'y//z': 7 }), 100)).toBe(
      'published',
    );
    expect(await cachesOn('a')).toEqual({
      app: { warmth: 1, bytes: 40, lastUsedAt: 5, seedable: { warmth: 1, bytes: 40 } },
    });
    await inventories.publish(writer('a'), inventory({ 'x//tsc': 10, 'y//z': 7 }), 101);
    expect(await cachesOn('a')).toEqual({
      app: { warmth: 0.25, bytes: 10, lastUsedAt: 5, seedable: { warmth: 0.25, bytes: 10 } },
    });
    expect((await state.hosts.list())[0]?.inventory).toMatchObject({ readAt: 101, usedBytes: 1 });
  });

  test('change on every host when the repo’s usage changes, even on hosts that were read before', async () => {
    await Promise.all([join('a'), join('b')]);
    await usages.learn(writer('a'), 'app', used({ 'x//npm': 10 }));
    await inventories.publish(writer('a'), inventory({ 'x//npm': 10, 'x//tsc': 10 }), 1);
    await inventories.publish(writer('b'), inventory({ 'x//npm': 10 }), 1);
    const seen = new Map((await state.hosts.list()).map((host) => [host.report.name, host.caches]));
    expect(seen.get('b')?.get('app')?.warmth).toBe(1);
    await usages.learn(writer('a'), 'app', used({ 'x//npm': 10, 'x//tsc': 10 }));
    await state.hosts.get('a');
    expect(seen.get('a')?.get('app')?.warmth).toBe(1);
    expect(seen.get('b')?.get('app')?.warmth).toBe(0.5);
  });

  test('are the same for a process that starts later', async () => {
    await join('a');
    await usages.learn(writer('a'), 'app', used({ 'x//npm': 10 }, 100));
    await usages.learn(writer('a'), 'web', used({}, 10));
    await inventories.publish(writer('a'), inventory({ 'x//npm': 5 }, { app: 100, web: 5 }), 1);
    const late = new HostStore(state.redis, state.keys);
    const caches = {
      app: { warmth: 0.625, bytes: 105, lastUsedAt: 6, seedable: { warmth: 0.375, bytes: 5 } },
      web: { warmth: 0.5, bytes: 5, lastUsedAt: 6 },
    };
    expect(Object.fromEntries((await late.list())[0]?.caches ?? [])).toEqual(caches);
    expect(await cachesOn('a')).toEqual(caches);
  });

  test('count for every repo that shares their namespace', async () => {
    await join('a');
    await usages.learn(writer('a'), 'app', used({ 'team-web//npm': 10 }));
    await usages.learn(writer('a'), 'site', used({ 'team-web//npm': 10, 's//x': 10 }));
    await inventories.publish(writer('a'), inventory({ 'team-web//npm': 10 }), 1);
    expect(await cachesOn('a')).toMatchObject({ app: { warmth: 1 }, site: { warmth: 0.5 } });
    expect(await state.hosts.mountUsers()).toEqual(
      new Map([
        ['team-web//npm', ['app', 'site']],
        ['s//x', ['site']],
      ]),
    );
  });
});

describe('publishing', () => {
  test('is announced, but an unchanged inventory only renews its time', async () => {
    await join('a');
    const heard: string[] = [];
    using _ = state.events.subscribe((event) => {
      if (event.type === 'caches') heard.push(event.host);
    });
    await inventories.publish(writer('a'), inventory({ x: 1 }), 1);
    expect(await inventories.publish(writer('a'), inventory({ x: 1 }), 2)).toBe('unchanged');
    expect((await state.hosts.get('a'))?.inventory?.readAt).toBe(2);
    // Another process of the same worker, which hasn't published it itself.
    expect(await new InventoryStore(state.redis, state.keys).publish(writer('a'), inventory({ x: 1 }), 3)).toBe(
      'unchanged',
    );
    expect(await inventories.publish(writer('a'), inventory({ x: 2 }), 4)).toBe('published');
    await expect.poll(() => heard, { timeout: 60_000 }).toEqual(['a', 'a']);
  });

  test('sends the inventory again if Redis has lost it', async () => {
    await join('a');
    await inventories.publish(writer('a'), inventory({ x: 1 }), 1);
    await state.redis.del(state.keys.hostInventory('a'));
    expect(await inventories.publish(writer('a'), inventory({ x: 1 }), 2)).toBe('published');
    expect((await state.hosts.get('a'))?.inventory?.mounts).toHaveLength(1);
  });

  test('is refused for a worker that was replaced, or whose lease is over', async () => {
    await join('a', 'i1');
    await inventories.publish(writer('a', 'i1'), inventory({ x: 1 }), 1);
    await join('a', 'i2');
    expect(await inventories.publish(writer('a', 'i1'), inventory({ stale: 1 }), 2)).toBe('refused');
    expect(await usages.learn(writer('a', 'i1'), 'app', used({ stale: 1 }))).toBe('refused');
    expect((await state.hosts.get('a'))?.inventory?.mounts.map(({ id }) => id)).toEqual(['x']);
    expect(await state.redis.hlen(state.keys.usages())).toBe(0);
    await state.redis.del(state.keys.hostLease('a'));
    expect(await inventories.publish(writer('a', 'i2'), inventory({ late: 1 }), 3)).toBe('refused');
  });

  test('is undone when the host leaves or is purged', async () => {
    const left = async (host: string) => [
      await state.redis.exists(state.keys.hostInventory(host)),
      await state.hosts.get(host),
    ];
    await Promise.all([join('a'), join('b')]);
    for (const host of ['a', 'b']) await inventories.publish(writer(host), inventory({ x: 1 }), 1);
    await state.hosts.leave('a', 'i1');
    expect(await left('a')).toEqual([0, undefined]);
    await state.redis.del(state.keys.hostLease('b'));
    await state.redis.hset(state.keys.host('b'), 'lastSeenAt', 0);
    await state.hosts.purgeLost('b');
    expect(await left('b')).toEqual([0, undefined]);
    expect(await join('a')).toMatchObject({ inventoryKnown: false });
    expect(await state.hosts.get('a')).not.toHaveProperty('inventory');
    await inventories.publish(writer('a'), inventory({ x: 1 }), 1);
    expect(await join('a')).toMatchObject({ inventoryKnown: true });
  });

  test('an inventory that this version can’t read counts as none', async () => {
    await join('a');
    await usages.learn(writer('a'), 'app', used({ x: 1 }));
    await inventories.publish(writer('a'), inventory({ x: 1 }), 1);
    await state.redis.hset(state.keys.hostInventory('a'), { digest: 'other', doc: '{"of":"a later version"}' });
    expect(await state.hosts.get('a')).toMatchObject({ caches: new Map() });
  });
});

describe('usage', () => {
  test('that a host has published is in every later answer, even while an earlier read is under way', async () => {
    await join('a');
    await usages.learn(writer('a'), 'early', used({ x: 1 }));
    const released = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    const index = new CacheIndex(withFirstReadHeld(state.redis, answered, released.promise), state.keys);
    const earlier = index.refresh();
    await answered.promise;
    await usages.learn(writer('a'), 'late', used({ x: 1 }));
    const asked = [index.refresh(), index.refresh()];
    released.resolve();
    await Promise.all([earlier, ...asked]);
    expect(index.mountUsers()).toEqual(new Map([['x', ['early', 'late']]]));
  });

  test('keeps what hosts learn about a repo concurrently', async () => {
    await Promise.all([join('a'), join('b')]);
    const learn = (host: string, i: number) => usages.learn(writer(host), 'app', used({ [`x/${i}`]: 1 }));
    await Promise.all(Array.from({ length: 8 }, (_, i) => learn(i % 2 ? 'a' : 'b', i)));
    await inventories.publish(
      writer('a'),
      inventory(Object.fromEntries([...Array(8).keys()].map((i) => [`x/${i}`, 1]))),
      1,
    );
    expect(await cachesOn('a')).toMatchObject({ app: { warmth: 1, bytes: 8 } });
  });

  test('beyond the limit loses the repos built longest ago, in every process', async () => {
    await join('a');
    const few = new UsageStore(state.redis, state.keys, 2);
    await inventories.publish(writer('a'), inventory({ x: 1 }), 1);
    await few.learn(writer('a'), 'one', used({ x: 1 }));
    await few.learn(writer('a'), 'two', used({ x: 1 }));
    await few.learn(writer('a'), 'one', used({ x: 1 }));
    expect(Object.keys(await cachesOn('a')).sort()).toEqual(['one', 'two']);
    await few.learn(writer('a'), 'three', used({ x: 1 }));
    expect(Object.keys(await cachesOn('a')).sort()).toEqual(['one', 'three']);
    expect(await state.redis.hkeys(state.keys.usages())).toHaveLength(2);
  });

  test('is learned again after Redis has lost it', async () => {
    await join('a');
    await inventories.publish(writer('a'), inventory({ x: 1, y: 1 }), 1);
    await usages.learn(writer('a'), 'app', used({ x: 1 }));
    await usages.learn(writer('a'), 'app', used({ x: 1 }));
    expect(Object.keys(await cachesOn('a'))).toEqual(['app']);
    const { keys } = state;
    await state.redis.del(keys.usages(), keys.usagesChanged(), keys.usagesRevision());
    await usages.learn(writer('a'), 'web', used({ y: 1 }));
    expect(Object.keys(await cachesOn('a'))).toEqual(['web']);
  });
});

/** Redis whose first answer to a read is only passed on when `released` resolves. `answered` resolves when Redis has given it. */
function withFirstReadHeld(redis: Redis, answered: PromiseWithResolvers<void>, released: Promise<void>): Redis {
  let isFirst = true;
  return new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== 'kiln:read-together' || typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        const held = isFirst;
        isFirst = false;
        const answer: unknown = await value.apply(target, args);
        if (held) {
          answered.resolve();
          await released;
        }
        return answer;
      };
    },
  });
}
