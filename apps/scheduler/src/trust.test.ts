import { buildRequest } from '@kiln/contracts';
import { type BuildRecord, cacheKey, limitDefaults, type Trust } from '@kiln/domain';
import { createLogger } from '@kiln/runtime';
import { InventoryStore, Leadership, openState, type State, UsageStore } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type RunningScheduler, startScheduler } from './scheduler.ts';

const CONFIG = { leaderTtlMs: 1_000, tickMs: 100, buildRetentionMs: 3_600_000, limits: limitDefaults() };
const BOTH: Trust[] = ['trusted', 'untrusted'];

let redis: TestRedis;
let state: State;
let scheduler: RunningScheduler;
let pools = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  const namespace = `scheduler-trust-${++pools}`;
  state = await openState({ redisUrl: redis.url, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
  start();
});
afterEach(async () => {
  await scheduler.close();
  await state[Symbol.asyncDispose]();
});

function start(): void {
  const leadership = new Leadership(state.redis, state.keys, 's1', CONFIG.leaderTtlMs);
  scheduler = startScheduler(CONFIG, { ...state, leadership, log: createLogger({ app: 'test', level: 'silent' }) });
}

/** `trust` undefined: the report of a worker that knows nothing of classes. */
const join = (name: string, trust?: Trust[]) =>
  state.hosts.sync(
    {
      ...{ name, slots: 4, platforms: [], labels: {}, driver: 'docker', engineVersion: '1', buildxVersion: '1' },
      ...(trust && { trust }),
      accepting: true,
    },
    { machine: `m-${name}`, incarnation: 'i1' },
    60_000,
  );

async function submit(trust: Trust): Promise<string> {
  const spec = { ...buildRequest.parse({ source: { type: 'upload', name: 'app' } }), secrets: [] };
  return (await state.builds.accept({ repo: 'app', spec, secrets: {}, trust })).build.record.id;
}

async function until<T>(read: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const placed = async (id: string) => {
  const record = await until<BuildRecord>(async () => {
    const found = (await state.builds.get(id))?.record;
    return found?.state === 'assigned' ? found : undefined;
  });
  return record.attempts.at(-1)?.host;
};
const waitsFor = (id: string, reason: string) =>
  until(async () => (await state.builds.decisions(id)).find((decision) => decision.reason === reason));

test('builds go to hosts that take their class; another host is ruled out with that word', async () => {
  await Promise.all([join('apart', ['untrusted']), join('own', ['trusted'])]);
  const ids = [await submit('untrusted'), await submit('trusted'), await submit('untrusted'), await submit('trusted')];
  expect(await Promise.all(ids.map(placed))).toEqual(['apart', 'own', 'apart', 'own']);
  const [decision] = await state.builds.decisions(ids[0] ?? '');
  expect(decision?.considered).toContainEqual(expect.objectContaining({ host: 'own', verdict: 'trust_missing' }));
});

test('where no host takes a class its builds wait, and are told why, until one does', async () => {
  await Promise.all([join('a', ['trusted']), join('b', ['trusted'])]);
  const id = await submit('untrusted');
  expect(await placed(await submit('trusted'))).toMatch(/^[ab]$/);
  expect(await waitsFor(id, 'none_untrusted')).toMatchObject({ host: null, attempt: 1 });
  expect((await state.builds.get(id))?.record.state).toBe('queued');
  // The same worker, that has brought up another builder.
  await join('a', BOTH);
  expect(await placed(id)).toBe('a');
});

test('a host whose worker doesn’t speak of classes takes trusted builds only', async () => {
  await join('old');
  const id = await submit('untrusted');
  expect(await placed(await submit('trusted'))).toBe('old');
  await waitsFor(id, 'none_untrusted');
});

test('an untrusted build isn’t warm by what trusted builds of its repo have left on a host', async () => {
  await Promise.all([join('a', BOTH), join('b', BOTH)]);
  const usages = new UsageStore(state.redis, state.keys);
  const caches = [
    { host: 'a', key: 'app' },
    { host: 'b', key: cacheKey({ repo: 'app', team: 'default', trust: 'untrusted' }) },
  ];
  for (const { host, key } of caches) {
    const writer = { host, incarnation: 'i1' };
    const used = { mounts: [{ id: `of ${key}//go`, bytes: 100 }], layerBytes: 0, sizesAreFloors: false };
    await usages.learn(writer, key, used);
    await new InventoryStore(state.redis, state.keys).publish(
      writer,
      {
        ...{ sizesAreFloors: false, usedBytes: 100, mountsLeftOut: 0, layers: { count: 0, bytes: 0 }, repoLayers: [] },
        mounts: [{ id: `of ${key}//go`, bytes: 100, lastUsedAt: 1, inUse: false, records: 1 }],
      },
      Date.now(),
    );
  }
  // One that reads all of it when it begins to lead: what was told while the first one began, that may see a little later.
  await scheduler.close();
  start();
  const ids = [await submit('trusted'), await submit('untrusted')];
  expect(await Promise.all(ids.map(placed))).toEqual(['a', 'b']);
  for (const id of ids) {
    const [decision] = await state.builds.decisions(id);
    expect(decision?.considered.map(({ warmth }) => warmth)).toEqual([1, 0]);
  }
});
