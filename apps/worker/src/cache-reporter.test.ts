import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { cacheNamespace } from '@kiln/buildkit';
import { buildRequest } from '@kiln/contracts';
import { cacheKey, type Trust } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { type HostState, Leadership, openState, pendingBuild, type State } from '@kiln/state';
import { decisionFor, TestRedis } from '@kiln/state/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Executor, ExecutorInventory } from './executor.ts';
import { fixedExecutors } from './testing/fixed-executors.ts';
import { type RunningWorker, startWorker } from './worker.ts';

const NS = cacheNamespace({ repo: 'app', team: 'default', scope: 'repo' });

let redis: TestRedis;
let state: State;
let dir: string;
let worker: RunningWorker | undefined;
let kit: FakeKit;
/** That of untrusted builds. */
let other: FakeKit;
let pools = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  const namespace = `reporter-${++pools}`;
  state = await openState({ redisUrl: redis.url, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
  dir = await mkdtemp(join(tmpdir(), 'kiln-reporter-'));
  kit = new FakeKit('trusted', 1_000);
  other = new FakeKit('untrusted', 200);
  worker = undefined;
});
afterEach(async () => {
  for (const one of [kit, other]) one.read = async () => one.contents();
  await worker?.drain(0);
  await state[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

type Mount = ExecutorInventory['mounts'][number];
type Layer = ExecutorInventory['layers'][number];

/** An executor whose builds leave in its caches what the test says. */
class FakeKit implements Executor {
  readonly info: Executor['info'];
  readonly mounts = new Map<string, Mount>();
  readonly layers = new Map<string, Layer>();
  reads = 0;
  onRun: () => void = () => {};

  constructor(trust: Trust, budgetBytes: number) {
    this.info = {
      ...{ trust, driver: 'docker', engineVersion: '1', buildxVersion: '1', platforms: ['linux/amd64'] },
      cacheBudget: { bytes: budgetBytes, from: 'engine' },
    };
  }

  read = async (): Promise<ExecutorInventory> => this.contents();

  mount(id: string, bytes: number, inUse = false): void {
    this.mounts.set(id, { id, bytes, lastUsedAt: Date.now(), inUse, records: [`r-${id}`] });
  }

  layer(id: string, bytes: number, parents: string[] = []): void {
    this.layers.set(id, { id, bytes, lastUsedAt: Date.now(), parents });
  }

  contents(): ExecutorInventory {
    const mounts = [...this.mounts.values()];
    const usedBytes = mounts.reduce((sum, { bytes }) => sum + bytes, 0);
    return { readAt: Date.now(), sizesAreFloors: false, usedBytes, mounts, layers: [...this.layers.values()] };
  }

  run = async () => {
    this.onRun();
    return { end: 'succeeded' } as const;
  };
  inventory = () => {
    this.reads += 1;
    return this.read();
  };
  extendFence = async () => {};
  close = async () => {};
}

async function startHost({
  both = false,
  ...more
}: {
  inventoryEveryMs?: number;
  ledgerFile?: string;
  both?: boolean;
} = {}): Promise<void> {
  worker = await startWorker(
    { hostName: 'h1', slots: 2, leaseTtlMs: 2_000, syncEveryMs: 100, fenceMarginMs: 500, ...more },
    {
      ...state,
      executors: fixedExecutors(both ? [kit, other] : [kit]),
      identity: { machine: 'm1', incarnation: randomUUID() },
      openContext: async () => Readable.from(['a tar']),
      outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
      storeArtifact: async () => ({ digest: 'sha256:0', sizeBytes: 0 }),
      log: createLogger({ app: 'test', level: 'silent' }),
    },
  );
}

/** Runs a build of repo `app` on the host, as the scheduler would have it; answers when it has ended. */
async function build(onRun: () => void, request: object = {}, trust: Trust = 'trusted'): Promise<string> {
  (trust === 'trusted' ? kit : other).onRun = onRun;
  const digest = `sha256:${'0'.repeat(64)}`;
  const spec = {
    ...buildRequest.parse({ source: { type: 'upload', name: 'app', digest }, ...request }),
    secrets: [],
  };
  const { build: stored } = await state.builds.accept({ repo: 'app', spec, secrets: {}, trust });
  const pending = pendingBuild(stored);
  const token = (await new Leadership(state.redis, state.keys, 'test', 60_000).hold()) ?? '';
  const host = await state.hosts.get('h1');
  const decision = decisionFor(pending.id, 'h1');
  if (!host) throw new Error('no host');
  const chosen = { name: 'h1', incarnation: host.incarnation, slots: 2 };
  expect((await state.pending.assign(pending, chosen, decision, token)).outcome).toBe('assigned');
  await state.queues.enqueue('h1', { buildId: pending.id, attempt: 1 });
  await until(async () => (await state.builds.get(pending.id))?.record.state === 'succeeded' || undefined);
  return pending.id;
}

async function until<T>(read: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const host = (holds: (host: HostState) => boolean): Promise<HostState> =>
  until(async () => {
    const found = await state.hosts.get('h1');
    return found && holds(found) ? found : undefined;
  });
const warmth = (degree: number) => host(({ caches }) => (caches.get('app')?.warmth ?? 0) === degree);

test('tells what there is at the start, and with each build what its repo uses', async () => {
  kit.mount('old//x', 7);
  await startHost();
  const joined = await host(({ inventory }) => inventory !== undefined);
  expect(joined).toMatchObject({
    report: { cacheBudgetBytes: 1_000, cacheBudgetFrom: 'engine' },
    inventory: { usedBytes: 7, mounts: [{ id: 'old//x', bytes: 7, records: 1 }] },
  });
  expect(joined.caches.size).toBe(0);
  await build(() => {
    kit.mount(`${NS}//npm`, 30);
    kit.mount(`${NS}//tsc`, 10);
    kit.layer('l1', 100);
  });
  expect((await warmth(1)).caches.get('app')).toMatchObject({ bytes: 140 });
});

test('notices on its timer what was evicted, and reads no more often than that', async () => {
  await startHost({ inventoryEveryMs: 40 });
  await build(() => {
    kit.mount(`${NS}//npm`, 30);
    kit.mount(`${NS}//tsc`, 10);
  });
  await warmth(1);
  kit.mounts.delete(`${NS}//npm`);
  await warmth(0.25);
  const { reads } = kit;
  const began = performance.now();
  await until(() => (kit.reads >= reads + 4 ? true : undefined));
  expect(performance.now() - began).toBeGreaterThan(3 * 35);
});

test('a BuildKit that doesn’t answer delays no build, no lease and no leaving', async () => {
  await startHost();
  await host(({ inventory }) => inventory !== undefined);
  kit.read = () => new Promise(() => {});
  const id = await build(() => kit.mount(`${NS}//npm`, 30));
  expect((await state.builds.get(id))?.record.attempts).toHaveLength(1);
  const { lastSeenAt } = await host(() => true);
  await host((now) => now.alive && now.lastSeenAt > lastSeenAt + 300);
  const began = performance.now();
  await worker?.drain(0);
  expect(performance.now() - began).toBeLessThan(8_000);
  worker = undefined;
});

test('a BuildKit that takes long to answer is not asked all the time, however many builds end', async () => {
  await startHost();
  await host(({ inventory }) => inventory !== undefined);
  const began: number[] = [];
  const ended: number[] = [];
  kit.read = async () => {
    began.push(performance.now());
    await new Promise((resolve) => setTimeout(resolve, 50));
    ended.push(performance.now());
    return kit.contents();
  };
  while (ended.length < 3) await build(() => kit.mount(`${NS}//npm`, 30));
  for (const i of [1, 2]) expect((began[i] ?? 0) - (ended[i - 1] ?? 0)).toBeGreaterThan(3 * 45);
});

test('a reading that fails is made good by a later one', async () => {
  await startHost({ inventoryEveryMs: 40 });
  kit.read = async () => {
    throw new Error('engine restarts');
  };
  await build(() => kit.mount(`${NS}//npm`, 30));
  const { reads } = kit;
  await until(() => (kit.reads > reads + 1 ? true : undefined));
  expect((await state.hosts.get('h1'))?.caches.size).toBe(0);
  kit.read = async () => kit.contents();
  await warmth(1);
});

test('waits until BuildKit has let go of a mount, which has no size before', async () => {
  await startHost();
  await build(() => kit.mount(`${NS}//npm`, 0, true));
  await host(({ inventory }) => inventory?.mounts[0]?.inUse === true);
  expect(await state.redis.hlen(state.keys.usages())).toBe(0);
  kit.mount(`${NS}//npm`, 30);
  expect((await warmth(1)).caches.get('app')).toMatchObject({ bytes: 30 });
});

test('the last build of a worker that leaves is not lost to the pool', async () => {
  await startHost();
  await host(({ inventory }) => inventory !== undefined);
  const gate = Promise.withResolvers<void>();
  kit.read = async () => {
    await gate.promise;
    return kit.contents();
  };
  await build(() => kit.mount(`${NS}//npm`, 30));
  const drained = worker?.drain(60_000);
  worker = undefined;
  await host(({ report }) => !report.accepting);
  // A worker that didn't wait would be gone before so many answers.
  for (let i = 0; i < 50; i++) await state.redis.ping();
  gate.resolve();
  await drained;
  expect(await state.hosts.get('h1')).toBeUndefined();
  expect(await state.redis.hget(state.keys.usages(), 'app')).toContain(`${NS}//npm`);
});

test('a host that the pool forgot meanwhile publishes again with its next report', async () => {
  await startHost();
  await build(() => kit.mount(`${NS}//npm`, 30));
  await warmth(1);
  await state.hosts.purgeLost('h1');
  await warmth(1);
});

test('layers: a restarted worker still knows whose they are, and an evicted one counts no more', async () => {
  const ledgerFile = join(dir, 'layers.json');
  await startHost({ ledgerFile });
  await build(() => {
    kit.layer('deps', 75);
    kit.layer('app', 25, ['deps']);
  });
  await warmth(1);
  await worker?.drain(0);
  await startHost({ ledgerFile });
  await warmth(1);
  await worker?.drain(0);
  kit.layers.delete('deps');
  await startHost({ ledgerFile });
  await warmth(0.25);
});

test('a broken ledger is begun anew', async () => {
  const ledgerFile = join(dir, 'none', 'layers.json');
  await startHost({ ledgerFile });
  await build(() => kit.layer('app', 25));
  // Can't be saved, is told all the same.
  await warmth(1);
});

test('goes by the namespace that the build really used', async () => {
  await startHost();
  await build(
    () => {
      kit.mount('team-web//npm', 30);
      kit.mount('team-other//npm', 30);
    },
    { cacheScope: 'team', team: 'web' },
  );
  const key = cacheKey({ repo: 'app', team: 'web' });
  await host(({ caches }) => caches.get(key)?.bytes === 30);
  expect(await state.hosts.mountUsers()).toEqual(new Map([['team-web//npm', [key]]]));
});

describe('two classes of trust', () => {
  const key = cacheKey({ repo: 'app', team: 'default', trust: 'untrusted' });
  const namespace = cacheNamespace({ repo: key, team: 'default', scope: 'repo', trust: 'untrusted' });

  test('what both builders hold adds up in the host, each mount with the class that holds it', async () => {
    kit.mount('a//x', 7);
    kit.layer('l1', 100);
    await startHost({ both: true });
    other.mount('b//y', 30);
    other.layer('l2', 1_000);
    await build(() => {}, {}, 'untrusted');
    const { report, inventory } = await host((now) => now.inventory?.usedBytes === 37);
    expect(report).toMatchObject({ trust: ['trusted', 'untrusted'], cacheBudgetBytes: 1_200 });
    expect(report.cacheBudgets).toEqual({ trusted: 1_000, untrusted: 200 });
    expect(inventory).toMatchObject({
      usedByDomain: { trusted: 7, untrusted: 30 },
      layers: { count: 2, bytes: 1_100 },
    });
    const [younger, older] = inventory?.mounts ?? [];
    expect([younger?.id, younger?.domain, older?.id, older?.domain]).toEqual(['b//y', 'untrusted', 'a//x', undefined]);
  });

  test('neither class is warm by what the other has left, nor by what it did at the same time', async () => {
    const ledgerFile = join(dir, 'layers.json');
    await startHost({ both: true, ledgerFile });
    // Side by side: an untrusted build that used nothing, and a trusted one that left much.
    await build(
      () => {
        kit.mount(`${NS}//npm`, 30);
        kit.layer('trusted', 100);
        other.layer('base', 5);
      },
      {},
      'untrusted',
    );
    await host(({ caches }) => caches.get(key)?.bytes === 5);
    await build(() => {
      kit.mount(`${NS}//npm`, 30);
      kit.layer('trusted', 100);
    });
    const { caches } = await warmth(1);
    expect([...caches.keys()].sort()).toEqual(['app', key]);
    expect(caches.get('app')?.bytes).toBe(130);
    expect(caches.get(key)?.bytes).toBe(5);
    await build(() => other.mount(`${namespace}//npm`, 40), {}, 'untrusted');
    await host((now) => now.caches.get(key)?.bytes === 45);
    expect((await state.hosts.get('h1'))?.caches.get('app')?.bytes).toBe(130);
    // Each class knows its layers again after a restart.
    await worker?.drain(0);
    await startHost({ both: true, ledgerFile });
    await host((now) => now.caches.get(key)?.bytes === 45 && now.caches.get('app')?.bytes === 130);
  });

  test('an untrusted builder that doesn’t answer keeps nothing of the trusted one’s from the pool', async () => {
    other.read = () => new Promise(() => {});
    await startHost({ both: true });
    await build(() => kit.mount(`${NS}//npm`, 30));
    await warmth(1);
  });
});
