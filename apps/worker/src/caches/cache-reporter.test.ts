import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheNamespace } from '@kiln/buildkit';
import { cacheKey } from '@kiln/domain';
import { createLogger } from '@kiln/runtime';
import type { HostState } from '@kiln/state';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ExecutorInventory } from '../engine/executor.ts';
import { CachingExecutor } from '../testing/caching-executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { eventually, type TestBuild, type TestHost, useTestHost } from '../testing/test-host.ts';
import type { RunningWorker } from '../worker.ts';
import type { WorkerDeps, WorkerOptions } from '../worker-options.ts';

const NS = cacheNamespace({ repo: 'app', team: 'default', scope: 'repo' });

const fixture = useTestHost();
let pool: TestHost;
let kit: CachingExecutor;

beforeEach(async () => {
  pool = fixture.host;
  kit = new CachingExecutor('trusted', 1_000);
});
afterEach(async () => {
  kit.read = async () => kit.contents();
});

// A lease that no busy machine loses, because no test here is about its loss.
const startHost = (options: Partial<WorkerOptions> = {}, deps: Partial<WorkerDeps> = {}): Promise<RunningWorker> =>
  pool.start({ leaseTtlMs: 20_000, syncEveryMs: 100, ...options }, { executors: fixedExecutors([kit]), ...deps });

/** Runs a build of repo `app` on the host; resolves when it has ended. */
async function build(onRun: () => void, request: TestBuild['request'] = {}): Promise<string> {
  kit.onRun = onRun;
  const id = await pool.deliver({ request });
  await pool.build(id, ({ state }) => state === 'succeeded');
  return id;
}

/** The files of the worker, with their contents. */
const files = async () =>
  Promise.all(
    (await readdir(pool.dir)).sort().map(async (name) => [name, await readFile(join(pool.dir, name), 'utf8')]),
  );
const host = (seen: (host: HostState) => boolean): Promise<HostState> => pool.host(seen);
const warmth = (degree: number) => host(({ caches }) => (caches.get('app')?.warmth ?? 0) === degree);

test('reports the caches at the start, and what its repo uses with each build', async () => {
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

test('reports evictions at its interval, and reads no more often than that', async () => {
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
  await eventually(() => kit.reads >= reads + 4 || undefined);
  expect(performance.now() - began).toBeGreaterThan(3 * 35);
});

test('delays no build, no lease and no leaving worker while BuildKit does not answer, and saves no ledger when it has left', async () => {
  const reported = Promise.withResolvers<void>();
  const write = (line: string) => void (line.includes('"outcome":"refused"') && reported.resolve());
  const log = createLogger({ app: 'test', level: 'debug', destination: { write } });
  const ledgerFile = join(pool.dir, 'layers.json');
  const worker = await startHost({ ledgerFile }, { log });
  await host(({ inventory }) => inventory !== undefined);
  const late = Promise.withResolvers<ExecutorInventory>();
  kit.read = () => late.promise;
  const id = await build(() => kit.mount(`${NS}//npm`, 30));
  expect((await pool.state.builds.get(id))?.record.attempts).toHaveLength(1);
  const { lastSeenAt } = await host(() => true);
  await host((now) => now.alive && now.lastSeenAt > lastSeenAt + 300);
  const began = performance.now();
  await worker.drain(0);
  expect(performance.now() - began).toBeLessThan(8_000);
  const left = await files();
  late.resolve(kit.contents());
  await reported.promise;
  expect(await files()).toEqual(left);
});

test('leaves a slow BuildKit time between readings, however many builds end', async () => {
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

test('a build is told whether the host has caches of its repo, by what BuildKit stores now', async () => {
  kit.mount('other//npm', 7);
  await startHost({ inventoryEveryMs: 40 });
  await host(({ inventory }) => inventory !== undefined);
  await build(() => kit.mount(`${NS}//npm`, 30));
  await warmth(1);
  await build(() => kit.mount(`${NS}//npm`, 30));
  kit.mounts.clear();
  await warmth(0);
  await build(() => kit.layer('l1', 5));
  await host(({ inventory }) => inventory?.repoLayers.length === 1);
  await build(() => kit.layer('l1', 5));
  expect(kit.warm).toEqual([false, true, false, true]);
});

test('repeats a failed reading', async () => {
  await startHost({ inventoryEveryMs: 40 });
  kit.read = async () => {
    throw new Error('engine restarts');
  };
  await build(() => kit.mount(`${NS}//npm`, 30));
  const { reads } = kit;
  await eventually(() => kit.reads > reads + 1 || undefined);
  expect((await pool.state.hosts.get('h1'))?.caches.size).toBe(0);
  kit.read = async () => kit.contents();
  await warmth(1);
});

test('waits until BuildKit has released a mount, which has no size before', async () => {
  await startHost();
  await build(() => kit.mount(`${NS}//npm`, 0, true));
  await host(({ inventory }) => inventory?.mounts[0]?.inUse === true);
  expect(await pool.state.redis.hlen(pool.state.keys.usages())).toBe(0);
  kit.mount(`${NS}//npm`, 30);
  expect((await warmth(1)).caches.get('app')).toMatchObject({ bytes: 30 });
});

test('reports the last build of a worker that leaves', async () => {
  const worker = await startHost();
  await host(({ inventory }) => inventory !== undefined);
  const gate = Promise.withResolvers<void>();
  kit.read = async () => {
    await gate.promise;
    return kit.contents();
  };
  await build(() => kit.mount(`${NS}//npm`, 30));
  const drained = worker.drain(60_000);
  await host(({ report }) => !report.accepting);
  // A worker that doesn't wait would have left before so many answers.
  for (let i = 0; i < 50; i++) await pool.state.redis.ping();
  gate.resolve();
  await drained;
  expect(await pool.state.hosts.get('h1')).toBeUndefined();
  expect(await pool.state.redis.hget(pool.state.keys.usages(), 'app')).toContain(`${NS}//npm`);
});

test('publishes again with the next report if the pool has forgotten the host', async () => {
  await startHost();
  await build(() => kit.mount(`${NS}//npm`, 30));
  await warmth(1);
  await pool.state.hosts.purgeLost('h1');
  await warmth(1);
});

test('attributes layers to repos across restarts, and no longer counts evicted ones', async () => {
  const ledgerFile = join(pool.dir, 'layers.json');
  const first = await startHost({ ledgerFile });
  await build(() => {
    kit.layer('deps', 75);
    kit.layer('app', 25, ['deps']);
  });
  await warmth(1);
  await first.drain(0);
  const second = await startHost({ ledgerFile });
  await warmth(1);
  await second.drain(0);
  kit.layers.delete('deps');
  await startHost({ ledgerFile });
  await warmth(0.25);
});

test('reports layers even if the ledger can’t be saved', async () => {
  const ledgerFile = join(pool.dir, 'none', 'layers.json');
  await startHost({ ledgerFile });
  await build(() => kit.layer('app', 25));
  await warmth(1);
});

test('uses the namespace of the build’s cache scope', async () => {
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
  expect(await pool.state.hosts.mountUsers()).toEqual(new Map([['team-web//npm', [key]]]));
});

test('counts a build that found caches as a hit, with what they saved by estimate, and a cold one not', async () => {
  await startHost();
  await host(({ inventory }) => inventory !== undefined);
  const savings = async () => (await pool.state.savings.of('h1')).get('app');
  await build(() => kit.mount(`${NS}//npm`, 30));
  await warmth(1);
  expect(await savings()).toBeUndefined();
  await build(() => kit.mount(`${NS}//npm`, 30));
  expect(await eventually(savings)).toMatchObject({ hits: 1, savedMs: 360_000 });
});
