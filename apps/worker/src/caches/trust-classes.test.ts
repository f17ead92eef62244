import { join } from 'node:path';
import { cacheNamespace } from '@kiln/buildkit';
import { cacheKey, type Trust } from '@kiln/domain';
import type { HostState } from '@kiln/state';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CachingExecutor } from '../testing/caching-executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { type TestHost, useTestHost } from '../testing/test-host.ts';
import type { RunningWorker } from '../worker.ts';
import type { WorkerOptions } from '../worker-options.ts';

const NS = cacheNamespace({ repo: 'app', team: 'default', scope: 'repo' });

const fixture = useTestHost();
let pool: TestHost;
let kit: CachingExecutor;
let untrusted: CachingExecutor;

beforeEach(async () => {
  pool = fixture.host;
  kit = new CachingExecutor('trusted', 1_000);
  untrusted = new CachingExecutor('untrusted', 200);
});
afterEach(async () => {
  for (const one of [kit, untrusted]) one.read = async () => one.contents();
});

const startHost = (options: Partial<WorkerOptions> = {}): Promise<RunningWorker> =>
  pool.start(
    { leaseTtlMs: 2_000, syncEveryMs: 100, fenceMarginMs: 500, ...options },
    { executors: fixedExecutors([kit, untrusted]) },
  );

/** Runs a build of repo `app` on the host; resolves when it has ended. */
async function build(onRun: () => void, trust: Trust = 'trusted'): Promise<void> {
  (trust === 'trusted' ? kit : untrusted).onRun = onRun;
  await pool.build(await pool.deliver({ trust }), ({ state }) => state === 'succeeded');
}

const host = (seen: (host: HostState) => boolean): Promise<HostState> => pool.host(seen);
const warmth = (degree: number) => host(({ caches }) => (caches.get('app')?.warmth ?? 0) === degree);

const key = cacheKey({ repo: 'app', team: 'default', trust: 'untrusted' });
const namespace = cacheNamespace({ repo: key, team: 'default', scope: 'repo', trust: 'untrusted' });

test('a host reports the sum of both classes’ caches, and which class has each mount', async () => {
  kit.mount('a//x', 7);
  kit.layer('l1', 100);
  await startHost();
  untrusted.mount('b//y', 30);
  untrusted.layer('l2', 1_000);
  await build(() => {}, 'untrusted');
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

test('neither class is warm by the other’s caches, even if their builds ran at the same time', async () => {
  const ledgerFile = join(pool.dir, 'layers.json');
  const first = await startHost({ ledgerFile });
  // At the same time, an untrusted build used little and a trusted one filled its caches.
  await build(() => {
    kit.mount(`${NS}//npm`, 30);
    kit.layer('trusted', 100);
    untrusted.layer('base', 5);
  }, 'untrusted');
  await host(({ caches }) => caches.get(key)?.bytes === 5);
  await build(() => {
    kit.mount(`${NS}//npm`, 30);
    kit.layer('trusted', 100);
  });
  const { caches } = await warmth(1);
  expect([...caches.keys()].sort()).toEqual(['app', key]);
  expect(caches.get('app')?.bytes).toBe(130);
  expect(caches.get(key)?.bytes).toBe(5);
  await build(() => untrusted.mount(`${namespace}//npm`, 40), 'untrusted');
  await host((now) => now.caches.get(key)?.bytes === 45);
  expect((await pool.state.hosts.get('h1'))?.caches.get('app')?.bytes).toBe(130);
  // After a restart each class still has its layers.
  await first.drain(0);
  await startHost({ ledgerFile });
  await host((now) => now.caches.get(key)?.bytes === 45 && now.caches.get('app')?.bytes === 130);
});

test('the trusted builder’s caches are reported while the untrusted builder does not answer', async () => {
  untrusted.read = () => new Promise(() => {});
  await startHost();
  await build(() => kit.mount(`${NS}//npm`, 30));
  await warmth(1);
});
