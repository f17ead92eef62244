import { cacheNamespace } from '@kiln/buildkit';
import { createLogger } from '@kiln/runtime';
import { EvictionStore, type HostEviction, type LearnedStore, type UsageStore } from '@kiln/state';
import { expect, test } from 'vitest';
import { CachingExecutor } from '../testing/caching-executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { eventually, useTestHost } from '../testing/test-host.ts';
import { type EvictionCaps, Evictor } from './evictor.ts';

const log = createLogger({ app: 'test', level: 'silent' });
const writer = { host: 'h1', incarnation: 'i1' };
const track = (mean: number) => ({ mean, samples: 5, drift: 0, spread: 0 });
const learnedRepo = (builds: number) => ({
  estimate: { cold: track(300_000), warm: track(10_000) },
  demand: { value: builds, at: Date.now() },
});
const used = (repo: string, id: string) => ({ repo, layerBytes: 0, mounts: [{ id, bytes: 1, missed: 0 }] });
const NO_LAYERS = { users: () => new Map<string, string[]>() };

/** A builder with three mounts of 100 bytes, the hot repo's used longest ago, and an evictor that knows how often the repos are built. */
function host(publish: EvictionStore['publish'] = async () => {}, caps: EvictionCaps = {}) {
  const executor = new CachingExecutor('trusted', 0);
  for (const id of ['hot/x', 'rare/x', 'unknown/x']) executor.mount(id, 100);
  const evictor = new Evictor({
    usages: { all: async () => [used('hot', 'hot/x'), used('rare', 'rare/x')] } as Pick<UsageStore, 'all'>,
    learned: {
      load: async () => ({
        pool: undefined,
        repos: new Map([
          ['hot', learnedRepo(50)],
          ['rare', learnedRepo(1)],
        ]),
      }),
    } as Pick<LearnedStore, 'load'>,
    evictions: { publish },
    lastBuilt: () => 'big',
    ...{ writer, log, now: Date.now },
  });
  return { executor, evict: (bytes: number) => evictor.evict(executor, NO_LAYERS, bytes, caps) };
}

test('evicts what is expected to save least per byte, and keeps the hot repo warm', async () => {
  const published: HostEviction[] = [];
  const { executor, evict } = host(async (_, evictions) => void published.push(...evictions));
  await evict(300);
  expect(executor.mounts.size).toBe(3);
  await evict(220);
  expect([...executor.mounts.keys()]).toEqual(['hot/x', 'rare/x']);
  await evict(110);
  expect([...executor.mounts.keys()]).toEqual(['hot/x']);
  expect(published).toMatchObject([
    { mount: 'unknown/x', bytes: 100, reason: 'budget' },
    { mount: 'rare/x', repo: 'rare', bytes: 100, reason: 'budget', roomFor: 'big' },
  ]);
});

test('keeps each repo within its cap, and each team within its own, although there is room', async () => {
  const published: HostEviction[] = [];
  const { executor, evict } = host(async (_, evictions) => void published.push(...evictions), { repoCapBytes: 150 });
  executor.mount('hot/y', 100);
  expect(await evict(1_000)).toBe(false);
  const usual = host(async (_, evictions) => void published.push(...evictions), { teamCapBytes: 150 });
  expect(await usual.evict(1_000)).toBe(true);
  expect([...usual.executor.mounts.keys()]).toEqual(['hot/x', 'unknown/x']);
  const capped = host(async (_, evictions) => void published.push(...evictions), { repoCapBytes: 50 });
  await capped.evict(1_000);
  expect([...capped.executor.mounts.keys()]).toEqual(['unknown/x']);
  expect(published.map(({ mount, reason }) => [mount, reason])).toEqual([
    ['rare/x', 'team_cap'],
    ['hot/x', 'repo_cap'],
    ['rare/x', 'repo_cap'],
  ]);
});

test('removes all that is to go in one call, and counts for each cache what went with it', async () => {
  const published: HostEviction[] = [];
  const { executor, evict } = host(async (_, evictions) => void published.push(...evictions));
  // A build takes it after it was chosen.
  const { prune } = executor;
  executor.prune = async (records) => {
    executor.mount('rare/x', 100, true);
    return await prune(records);
  };
  await evict(110);
  expect(executor.prunes).toBe(1);
  expect(published).toMatchObject([{ mount: 'unknown/x', bytes: 100 }]);
});

test('never evicts what a build is using, and leaves it to BuildKit if nothing else is left', async () => {
  const { executor, evict } = host();
  const trims: number[] = [];
  const trimming = Object.assign(executor, { trim: async (bytes: number) => void trims.push(bytes) });
  for (const id of ['rare/x', 'unknown/x']) trimming.mount(id, 100, true);
  await evict(50);
  expect([...executor.mounts.keys()]).toEqual(['rare/x', 'unknown/x']);
  expect(trims).toEqual([50]);
});

test('evicts although the list of evictions can’t be published', async () => {
  const { executor, evict } = host(() => Promise.reject(new Error('OOM')));
  await evict(220);
  expect(executor.mounts.size).toBe(2);
});

const pool = useTestHost();

test('a host keeps each repo within its share of the budget after each build', async () => {
  const executor = new CachingExecutor('trusted', 1_000);
  const namespace = cacheNamespace({ repo: 'app', team: 'default', scope: 'repo' });
  executor.onRun = () => {
    executor.mount(`${namespace}/x`, 60);
    executor.mount(`${namespace}/y`, 60);
  };
  await pool.host.start({ repoCacheCap: { share: 0.1 } }, { executors: fixedExecutors([executor]) });
  await pool.host.build(await pool.host.deliver());
  await eventually(() => (executor.mounts.size === 1 ? true : undefined));
  const known = await eventually(async () => {
    const list = await pool.host.state.evictions.of('h1');
    return list.length > 0 ? list : undefined;
  });
  expect(known).toMatchObject([{ repo: 'app', bytes: 60, reason: 'repo_cap' }]);
});

test('the pool remembers the last 500 evictions of a host, the newest first, and takes none of a worker without the lease', async () => {
  const { redis, keys, hosts } = pool.host.state;
  const report = {
    ...{ name: 'h1', slots: 1, platforms: [], labels: {}, driver: 'docker' as const, accepting: true },
    ...{ engineVersion: '1', buildxVersion: '1' },
  };
  await hosts.sync(report, { machine: 'm1', incarnation: 'i1' }, 60_000);
  const store = new EvictionStore(redis, keys);
  const eviction = (at: number): HostEviction => ({ at, mount: 'a/x', bytes: 1, reason: 'budget' });
  await store.publish(
    writer,
    Array.from({ length: 300 }, (_, i) => eviction(i)),
  );
  await store.publish(
    writer,
    Array.from({ length: 300 }, (_, i) => eviction(300 + i)),
  );
  await store.publish({ host: 'h1', incarnation: 'gone' }, [eviction(1_000)]);
  const known = await store.of('h1');
  expect([known.length, known[0]?.at, known.at(-1)?.at]).toEqual([500, 599, 100]);
});
