import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FIRST_SPEED } from '../../caches/seeding.ts';
import type { HostView } from '../model/model.ts';
import { type KnownRepo, Scene, START } from '../testing/scene.ts';
import { overflow } from './overflow.ts';
import type { SeedConditions } from './seed-planner.ts';

const MB = 1_000_000;
/** Half a gigabyte of mounts: 5 s out and 5 s in, and 2 s for each task. */
const WARM = { warmth: 1, bytes: 600 * MB, seedable: { warmth: 0.75, bytes: 500 * MB } };
const TRANSFER_MS = 14_000;
const APP: KnownRepo = { warm: 60, stale: 240, cold: 600, bytes: 600 * MB, hourly: 20 };
const ANY: SeedConditions = {
  speed: FIRST_SPEED,
  isIdle: () => true,
  isHeldBack: () => false,
};
const scene = (repos: Readonly<Record<string, KnownRepo>> = { app: APP }) => new Scene({ repos });
const ahead = (pool: Scene, conditions: Partial<SeedConditions> = {}, most = 9) =>
  pool.pool.seedsAhead(pool.now, { ...ANY, ...conditions }, most);
const routes = (wishes: ReturnType<typeof ahead>) =>
  wishes.map(({ repo, from, host, cause }) => `${repo}: ${from.host} → ${host} (${cause})`);

describe('a build that is about to start cold', () => {
  const cold = (view: Partial<HostView> = {}) =>
    scene().host('warm', {}, { app: WARM }).host('new', view).run('r', 'warm', { repo: 'slow' }).submit('1');

  test('gets its host seeded from the warmest one, and waits for that if it then ends sooner', () => {
    const pool = cold();
    expect(pool.pool.seedFor('1', 'new', pool.now, ANY)).toMatchObject({
      ...{ repo: 'app', host: 'new', cause: 'build', sooner: true, transferMs: TRANSFER_MS },
      from: { host: 'warm', key: 'app' },
    });
  });

  test('is not seeded over while a host is in a transfer, after a failure, or if a seed is on its way already', () => {
    const pool = cold();
    const seed = (conditions: Partial<SeedConditions>) =>
      pool.pool.seedFor('1', 'new', pool.now, { ...ANY, ...conditions });
    expect(seed({ isIdle: (host) => host !== 'new' })).toBeUndefined();
    expect(seed({ isIdle: (host) => host !== 'warm' })).toBeUndefined();
    expect(seed({ isHeldBack: (repo, host) => repo === 'app' && host === 'new' })).toBeUndefined();
    pool.seed('app', 'new', 14);
    expect(seed({})).toBeUndefined();
  });

  test('never gets it from an untrusted builder, and an untrusted one does from its team’s trusted one', () => {
    const repos = { 'untrusted web app': APP, 'team web app': APP };
    const seed = (holds: string, wants: string) => {
      const both = { trust: ['trusted', 'untrusted'] as const, isolation: 'team' as const };
      const pool = scene(repos)
        .host('warm', both, { [holds]: WARM })
        .host('new', both)
        .submit('other', { repo: holds })
        .submit('1', { repo: wants, trust: wants.startsWith('untrusted') ? 'untrusted' : 'trusted' });
      return pool.pool.seedFor('1', 'new', pool.now, ANY)?.from.key;
    };
    expect(seed('team web app', 'untrusted web app')).toBe('team web app');
    expect(seed('untrusted web app', 'team web app')).toBeUndefined();
  });
});

describe('placement with a seed under way', () => {
  const busy = (seconds: number) =>
    scene().host('warm', {}, { app: WARM }).host('new').run('r', 'warm', { repo: 'slow' }).seed('app', 'new', seconds);

  test('lets a build wait for it if that is sooner than a cold run, and says from where and when', () => {
    const decision = busy(20).submit('1').why('1');
    expect(decision).toMatchObject({
      ...{ host: null, reason: 'waits_for_seed', predicted: { startAt: START + 20_000, warmth: 0.75 } },
    });
    expect(decision.considered.find(({ host }) => host === 'new')).toMatchObject({
      ...{ verdict: 'awaited', warmth: 0, seeding: { from: 'warm', readyAt: START + 20_000 } },
    });
  });

  test('starts the build cold if the seed takes too long', () => {
    const decision = busy(3_000).submit('1').why('1');
    expect(decision).toMatchObject({ host: 'new', predicted: { warmth: 0 } });
    expect(decision.considered[0]?.seeding?.from).toBe('warm');
  });

  test('places the build once the seed has arrived, and still says where the cache came from', () => {
    const pool = busy(20).submit('1').after(19);
    pool.pool.seedEnded('app', 'new', true, pool.now);
    const decision = pool.why('1');
    expect(decision).toMatchObject({ host: 'new', reason: 'warm', predicted: { warmth: 0.75 } });
    expect(decision.considered[0]?.seeding).toEqual({ from: 'warm', readyAt: pool.now });
    pool.place();
    pool.end('1', 100).submit('2');
    expect(pool.why('2').considered.find(({ host }) => host === 'new')).not.toHaveProperty('seeding');
  });

  test('starts the build cold once the seed has failed, or waits again if its host is lost', () => {
    const failed = busy(20).submit('1');
    failed.pool.seedEnded('app', 'new', false, failed.now);
    expect(failed.why('1')).toMatchObject({ host: 'new', predicted: { warmth: 0 } });
    const lost = busy(20).submit('1');
    lost.pool.hostGone('new', lost.now);
    expect(lost.why('1')).toMatchObject({ host: null, reason: 'all_full' });
  });

  test('reserves the slot, but lets a build run there that ends before the seed does', () => {
    const repos = {
      app: APP,
      quick: { warm: 5, cold: 10 },
      long: { warm: 300, cold: 900 },
      slow: { warm: 900, cold: 900 },
    };
    const pool = () =>
      scene(repos)
        .host('warm', {}, { app: WARM })
        .host('new')
        .run('r', 'warm', { repo: 'slow' })
        .seed('app', 'new', 20)
        .submit('1', { age: 300 });
    expect(pool().submit('2', { repo: 'long' }).place()).toEqual({});
    expect(pool().submit('2', { repo: 'quick' }).place()).toEqual({ 2: 'new' });
  });
});

describe('seeds ahead of builds', () => {
  test('make no further copy of what an open host has, however often it is built', () => {
    const pool = scene({ app: { ...APP, hourly: 60 } })
      .host('a', {}, { app: WARM })
      .host('new');
    expect(ahead(pool)).toEqual([]);
    expect(routes(ahead(pool.host('a', { cordoned: true })))).toEqual(['app: a → new (moving)']);
  });

  test('move what only drained hosts have, the dearest first, one at a time for each host', () => {
    const repos = { app: APP, web: { ...APP, hourly: 2 }, both: APP };
    const pool = scene(repos)
      .host('old', { draining: true }, { web: WARM, app: WARM, both: WARM })
      .host('a', {}, { both: WARM })
      .host('b');
    expect(routes(ahead(pool))).toEqual(['app: old → b (moving)']);
    pool.seed('app', 'b', 14, { from: 'old' });
    expect(ahead(pool, { isIdle: (host) => host === 'a' })).toEqual([]);
    pool.pool.seedEnded('app', 'b', true, pool.now);
    expect(routes(ahead(pool))[0]).toMatch(/^web: old → . \(moving\)$/);
  });

  test('are owed by the hosts that have yet to give something away, also while other transfers keep hosts busy', () => {
    const pool = scene({ app: APP, web: APP, both: APP })
      .host('old', { draining: true }, { web: WARM, both: WARM })
      .host('older', { draining: true }, { app: WARM })
      .host('a', {}, { both: WARM });
    const owing = () => [...pool.pool.hostsOwingSeeds(pool.now, ANY)].sort();
    expect(owing()).toEqual(['old', 'older']);
    pool.seed('app', 'a', 14, { from: 'older' });
    // The only target is busy, so nothing can begin; what is on its way is no longer owed.
    expect([owing(), ahead(pool)]).toEqual([['old'], []]);
    pool.pool.seedEnded('app', 'a', true, pool.now);
    pool.seed('web', 'a', 14, { from: 'old' });
    expect(owing()).toEqual([]);
  });

  test('leave what is hardly ever built to a drained host', () => {
    const pool = scene({ app: { ...APP, hourly: 0.005 } })
      .host('old', { draining: true }, { app: WARM })
      .host('a');
    expect(ahead(pool)).toEqual([]);
  });

  test('never go to a host that takes no builds of the repo', () => {
    const view = { platforms: ['linux/arm64'] };
    const old = { draining: true };
    const pool = scene({ app: { ...APP, hourly: 60 } }).host('a', old, { app: WARM });
    pool.host('arm', view).host('cordoned', { cordoned: true }).host('draining', { draining: true });
    expect(ahead(pool)).toEqual([]);
    pool.submit('1', { hostLabels: { disk: 'nvme' } });
    expect(ahead(pool.host('plain'))).toEqual([]);
    expect(routes(ahead(pool.host('nvme', { labels: { disk: 'nvme' } })))).toEqual(['app: a → nvme (moving)']);
  });

  test('evict nothing that is worth more', () => {
    const repos = { app: { ...APP, hourly: 40 }, dear: { ...APP, cold: 9_000, hourly: 60 } };
    const full = { cacheBudgetBytes: 700 * MB };
    const pool = scene(repos).host('a', { draining: true }, { app: WARM }).host('b', full, { dear: WARM });
    expect(ahead(pool)).toEqual([]);
    expect(routes(ahead(pool.host('c', full)))).toEqual(['app: a → c (moving)']);
  });
});

test('overflow is the share of builds that find all slots busy', () => {
  expect(overflow(0, 3)).toBe(1);
  expect(overflow(1, 1)).toBeCloseTo(0.5);
  expect(overflow(2, 1)).toBeCloseTo(0.2);
  expect(overflow(50, 1)).toBe(0);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 }), fc.double({ min: 0, max: 40, noNaN: true }), (slots, load) => {
      const share = overflow(slots, load);
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
      expect(overflow(slots + 1, load)).toBeLessThanOrEqual(share);
    }),
  );
});
