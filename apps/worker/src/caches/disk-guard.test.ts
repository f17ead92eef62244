import { createLogger } from '@kiln/runtime';
import { expect, test } from 'vitest';
import { CachingExecutor } from '../testing/caching-executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { eventually, useTestHost } from '../testing/test-host.ts';
import { DiskGuard, type DiskGuardDeps } from './disk-guard.ts';

const log = createLogger({ app: 'test', level: 'silent' });
const GB = 1024 ** 3;

/** A guard over a disk of 1000 bytes, 100 of which should be free, and what it did. */
function guarded(deps: Partial<DiskGuardDeps> = {}) {
  const did: unknown[] = [];
  const disk = { totalBytes: 1_000, freeBytes: 500 };
  const clock = { now: 0 };
  const guard = new DiskGuard({
    minFreeDisk: { share: 0.1 },
    measure: async () => disk,
    free: async (bytes) => {
      did.push(bytes);
      return 0;
    },
    onLow: async (isLow) => void did.push(isLow ? 'low' : 'enough'),
    ...{ log, now: () => clock.now },
    ...deps,
  });
  const settle = async (freeBytes: number) => {
    disk.freeBytes = freeBytes;
    await guard.check();
    // An eviction takes some turns of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { guard, disk, did, clock, settle };
}

test('evicts what is missing to recover, and reports nothing if that is enough', async () => {
  const { disk, did, settle } = guarded({
    free: async (bytes) => {
      did.push(bytes);
      disk.freeBytes += bytes;
      return bytes;
    },
  });
  await settle(100);
  expect(did).toEqual([]);
  await settle(90);
  expect(did).toEqual([50]);
});

test('evicts at once if the disk fills again, after an eviction that was enough as well as after the host recovered', async () => {
  const { disk, did, settle } = guarded({
    free: async (bytes) => {
      did.push(bytes);
      if (did.length === 1) disk.freeBytes += bytes;
      return bytes;
    },
  });
  await settle(90);
  await settle(80);
  expect(did).toEqual([50, 60, 'low']);
  await settle(500);
  await settle(70);
  expect(did).toEqual([50, 60, 'low', 'enough', 70, 'low']);
});

test('tries again sooner if the eviction freed something, but not at once, because deleting takes time', async () => {
  const { clock, did, settle } = guarded({
    free: async (bytes) => {
      did.push(bytes);
      return 10;
    },
  });
  await settle(90);
  clock.now = 4_999;
  await settle(90);
  expect(did).toEqual([50, 'low']);
  clock.now = 5_000;
  await settle(100);
  expect(did).toEqual([50, 'low', 40]);
});

test('reports a host as low on disk until there is clearly enough, and tries to make room again after a while', async () => {
  const { clock, did, settle } = guarded();
  await settle(90);
  expect(did).toEqual([50, 'low']);
  await settle(110);
  expect(did).toEqual([50, 'low']);
  clock.now = 30_000;
  await settle(110);
  expect(did).toEqual([50, 'low', 30]);
  await settle(120);
  expect(did).toEqual([50, 'low', 30, 'enough']);
});

test('reports a disk that is almost full without waiting for the eviction', async () => {
  const held = Promise.withResolvers<number>();
  const { did, disk, settle } = guarded({ free: () => held.promise });
  await settle(90);
  expect(did).toEqual([]);
  await settle(49);
  expect(did).toEqual(['low']);
  disk.freeBytes = 500;
  held.resolve(451);
  await eventually(() => (did.length > 1 ? did : undefined));
  expect(did).toEqual(['low', 'enough']);
});

test.each([
  [100 * GB, GB, false],
  [100 * GB, GB - 1, true],
  [10 * GB, 0.5 * GB, false],
  [10 * GB, 0.5 * GB - 1, true],
])('by default, of a disk of %d bytes with %d free more has to be free: %s', async (totalBytes, freeBytes, isLow) => {
  const { guard, did } = guarded({ minFreeDisk: undefined, measure: async () => ({ totalBytes, freeBytes }) });
  await guard.check();
  await new Promise((resolve) => setImmediate(resolve));
  expect(did.includes('low')).toBe(isLow);
});

const pool = useTestHost();

test('a host evicts when its disk is nearly full, takes no builds while that isn’t enough, and takes them again by itself', async () => {
  const executor = new CachingExecutor('trusted', 1_000);
  let othersBytes = 0;
  const used = () => [...executor.mounts.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  await pool.host.start(
    { syncEveryMs: 20, minFreeDisk: { bytes: 100 } },
    {
      executors: fixedExecutors([executor]),
      disk: async () => ({ totalBytes: 1_000, freeBytes: 1_000 - othersBytes - used() }),
    },
  );
  executor.onRun = () => executor.mount('x', 60);
  await pool.host.build(await pool.host.deliver());
  othersBytes = 850;
  await eventually(() => (executor.mounts.size === 0 ? true : undefined));
  const evicted = await eventually(async () => {
    const known = await pool.host.state.evictions.of('h1');
    return known.length > 0 ? known : undefined;
  });
  expect(evicted).toMatchObject([{ mount: 'x', bytes: 60, reason: 'low_disk', roomFor: 'app' }]);
  expect((await pool.host.host()).report.conditions ?? []).toEqual([]);
  othersBytes = 990;
  const low = await pool.host.host(({ report }) => report.conditions?.includes('low_disk') === true);
  expect([low.cordoned, low.report.accepting]).toEqual([false, true]);
  othersBytes = 500;
  await pool.host.host(({ report }) => report.conditions?.length === 0);
});
