import { describe, expect, test } from 'vitest';
import { FIRST_GUESS } from './estimates/estimates.ts';
import { PlacementPool } from './placement-pool.ts';
import { Scene, START } from './testing/scene.ts';

const MINUTE = 60;
const HOUR = 3_600_000;
const APP = { warm: 60, cold: 600 };
const scene = (repos = {}) => new Scene({ repos: { app: APP, ...repos } });
/** Mean of what is known of the repo's runs, s. */
const known = ({ pool }: Scene, repo = 'app') => {
  const estimate = pool.learnedRepo(repo)?.estimate ?? {};
  const seconds = (point: 'cold' | 'stale' | 'warm') => estimate[point] && Math.round(estimate[point].mean / 1_000);
  return { cold: seconds('cold'), stale: seconds('stale'), warm: seconds('warm') };
};
const demand = ({ pool, now }: Scene, repo = 'app') =>
  pool.waiting.get('1')?.group.repo.name === repo
    ? pool.waiting.get('1')?.group.repo.demand.expected(pool.demandClock(now))
    : undefined;

describe('a finished attempt teaches', () => {
  test('how long the repo’s builds take at the warmth it found, and that the host holds its cache', () => {
    const pool = new Scene().host('a').submit('1').run('1', 'a').after(500);
    expect(pool.pool.attemptEnded('1', { runMs: 500_000, keepsCache: true, bytes: 7 }, pool.now)).toBe('app');
    expect(known(pool)).toEqual({ cold: 500 });
    expect([...pool.pool.cachesOf('a')]).toEqual([
      ['app', { warmth: 1, bytes: 7, lastUsedAt: pool.now, version: undefined }],
    ]);
    pool.submit('2').run('2', 'a').after(50).end('2', 50);
    expect(known(pool)).toEqual({ cold: 500, warm: 50 });
    expect(pool.pool.learned.estimate.samples).toBe(2);
  });

  test('the expected runs of builds that are already waiting', () => {
    const pool = scene().host('a').run('r', 'a').submit('1');
    const expected = () => pool.why('1').predicted?.runMs;
    expect(expected()).toBe(60_000);
    pool.end('r', 60).run('r', 'a').end('r', 100).run('other', 'a', { repo: 'x' });
    expect(expected()).toBeGreaterThan(60_000);
  });

  test('the duration at the warmth that was reported with the attempt, or seen afterwards', () => {
    const told = new Scene().host('a', {}, { app: 1 });
    const attempt = { build: '1', host: 'a', repo: 'app', team: '', weight: 1, startedAt: START, warmth: 0 };
    told.pool.attemptStarted(attempt, START);
    expect(known(told.end('1', 300))).toEqual({ cold: 300 });
    const seen = new Scene().host('a', {}, { app: 1 }).run('1', 'a');
    seen.pool.warmthSeen('1', 0.5);
    expect(known(seen.end('1', 300))).toEqual({ stale: 300 });
  });

  test('nothing if it was lost, canceled or failed early', () => {
    const pool = scene().host('a').submit('1').run('1', 'a');
    expect(pool.pool.attemptEnded('1', { keepsCache: false }, pool.now)).toBeUndefined();
    expect(known(pool)).toEqual({ cold: 600, warm: 60 });
    expect(pool.pool.cachesOf('a').size).toBe(0);
    expect(pool.submit('2').place()).toEqual({ 2: 'a' });
  });

  test('the size of its cache even without a duration', () => {
    const pool = scene().host('a').submit('1').run('1', 'a');
    expect(pool.pool.attemptEnded('1', { keepsCache: true, bytes: 9 }, pool.now)).toBe('app');
    expect(pool.pool.learnedRepo('app')?.estimate.bytes).toBe(9);
  });

  test('a change in the repo within a few builds, so that the next decision uses it', () => {
    // A second host is busy for five minutes, and warm; a cold start took ten, and takes one now.
    const pool = scene({ app: { warm: 50, cold: 600 }, slow: { warm: 300, cold: 300 } })
      .host('a')
      .host('b', {}, { app: 1 });
    const decide = (id: string) => {
      pool.run(`slow${id}`, 'b', { repo: 'slow' }).submit(id);
      const placed = pool.place();
      pool.pool.buildLeft(id, pool.now);
      return placed;
    };
    expect(decide('before')).toEqual({});
    for (let i = 0; i < 12; i++) {
      pool.pool.cacheGone('a', 'app', pool.now);
      pool.run(`r${i}`, 'a').after(60).end(`r${i}`, 60);
    }
    pool.pool.cacheGone('a', 'app', pool.now);
    expect(known(pool).cold).toBeLessThan(100);
    expect(decide('after')).toEqual({ after: 'a' });
  });
});

describe('demand', () => {
  test('counts a build once, even if it is lost and queued again', () => {
    const once = new Scene().submit('1');
    const again = new Scene().submit('1').submit('1', { lostOn: ['a'] });
    expect(demand(again)).toBeGreaterThan(0);
    expect(demand(again)).toBe(demand(once));
  });

  test('is not overestimated when counting has just begun', () => {
    const pool = new PlacementPool();
    const scene = new Scene();
    const like = scene.submit('1').pool.waiting.get('1')?.build;
    if (like) pool.buildQueued(like, START);
    expect(pool.waiting.get('1')?.group.repo.demand.expected(pool.demandClock(START))).toBeLessThan(10);
  });

  test('looks ahead for as long as caches are kept, learned from the eviction of last copies only', () => {
    const pool = scene()
      .host('a', {}, { app: 1 })
      .host('b', {}, { app: 1 })
      .after(2 * 3_600);
    const horizon = () => pool.pool.learned.horizonMs;
    pool.pool.cacheGone('a', 'app', pool.now);
    expect(horizon()).toBe(HOUR);
    pool.pool.cacheGone('b', 'app', pool.now);
    expect(horizon()).toBeCloseTo(1.1 * HOUR);
    pool.pool.cacheGone('b', 'app', pool.now);
    expect(horizon()).toBeCloseTo(1.1 * HOUR);
  });

  test('looks ahead within limits', () => {
    const pool = scene().host('a');
    for (let i = 0; i < 200; i++) pool.holds('a', 'app').pool.cacheGone('a', 'app', pool.now);
    expect(pool.pool.learned.horizonMs / 60_000).toBeCloseTo(10, 1);
    for (let i = 0; i < 200; i++) {
      pool
        .holds('a', 'app')
        .after(50 * 3_600)
        .pool.cacheGone('a', 'app', pool.now);
    }
    expect(pool.pool.learned.horizonMs / HOUR).toBeCloseTo(6, 1);
  });
});

describe('inventories', () => {
  test('replace what was believed; a single report adds to it', () => {
    const pool = scene().host('a', {}, { old: 1, app: 0.5 });
    const held = { warmth: 0.8, bytes: 3, lastUsedAt: START - 5 };
    pool.pool.cachesReported(
      'a',
      new Map([
        ['app', held],
        ['new', { ...held, lastUsedAt: START - 9 }],
      ]),
      START,
    );
    expect([...pool.pool.cachesOf('a').keys()]).toEqual(['new', 'app']);
    expect(pool.pool.cachesOf('a').get('app')).toMatchObject(held);
    pool.holds('a', 'old');
    expect([...pool.pool.cachesOf('a').keys()]).toEqual(['new', 'app', 'old']);
  });

  test('that report an eviction change the next decision', () => {
    const pool = scene().host('a', {}, { app: 1 }).host('b', {}, { app: 0.5 });
    pool.pool.cachesReported('a', new Map(), pool.now);
    expect(pool.submit('1').place()).toEqual({ 1: 'b' });
  });

  test('of unknown hosts are ignored', () => {
    const pool = scene();
    pool
      .holds('nobody', 'app')
      .pool.cachesReported('nobody', new Map([['app', { warmth: 1, bytes: 1, lastUsedAt: 1 }]]), START);
    pool.pool.cacheGone('nobody', 'app', START);
    pool.pool.hostGone('nobody', START);
    pool.pool.warmthSeen('nobody', 1);
    expect(pool.pool.cachesOf('nobody').size).toBe(0);
    expect(pool.run('1', 'nobody').place()).toEqual({});
  });
});

describe('what one leader learned', () => {
  test('restores durations, sizes, demand and horizon from JSON', () => {
    const pool = new Scene().host('a').submit('1').run('1', 'a').after(500).end('1', 500, { bytes: 7 });
    pool.after(30_000).pool.cacheGone('a', 'app', pool.now);
    const stored = JSON.parse(JSON.stringify({ pool: pool.pool.learned, app: pool.pool.learnedRepo('app') }));
    const next = new PlacementPool();
    next.restore(stored.pool, [['app', stored.app]]);
    expect(next.learned).toEqual(pool.pool.learned);
    expect(next.learnedRepo('app')).toEqual(pool.pool.learnedRepo('app'));
    expect(next.learned.horizonMs).not.toBe(new PlacementPool().learned.horizonMs);
    expect(next.estimate).not.toEqual(FIRST_GUESS);
    expect(next.demandClock(pool.now)).toEqual(pool.pool.demandClock(pool.now));
    expect(next.learnedRepo('nobody')).toBeUndefined();
  });

  test('lets the next one decide as it would have', () => {
    const told = (pool: Scene) => pool.host('warm', {}, { app: 1 }).host('cold').run('r', 'warm').submit('1');
    expect(told(scene()).place()).toEqual({});
    expect(told(new Scene({ repos: { app: { warm: 500, cold: 600 } } })).place()).toEqual({ 1: 'cold' });
  });
});

describe('a new pass', () => {
  /** A build waits for a busy warm host beside a free one. */
  const waiting = () => {
    const pool = scene().host('warm', { slots: 2 }, { app: 1 }).host('cold', { slots: 2 });
    pool.run('r1', 'warm').run('r2', 'warm').submit('1');
    expect(pool.place()).toEqual({});
    return pool;
  };
  /** When what holds now was decided, s after it was first. */
  const decided = (pool: Scene) => {
    pool.place();
    return ((pool.pool.explain('1', pool.now)?.decidedAt ?? 0) - START) / 1_000;
  };

  test('is not started for an arrival, which extends the last one with its decisions and reservations', () => {
    const pool = waiting().after(1);
    expect(decided(pool.submit('2', { repo: 'x' }))).toBe(0);
    expect(decided(pool.after(1).submit('3', { repo: 'x' }).submit('4', { repo: 'x' }))).toBe(0);
    expect(pool.pool.hosts.get('cold')?.usedSlots).toBe(2);
    expect(pool.pool.waiting.size).toBe(2);
  });

  test('doesn’t place a build that has left before it was decided', () => {
    const pool = waiting().submit('2', { repo: 'x' });
    pool.pool.buildLeft('2', pool.now);
    expect(pool.place()).toEqual({});
  });

  test.each<[string, (pool: Scene) => unknown]>([
    ['an attempt has ended', (pool) => pool.end('r1', 60)],
    ['an attempt has begun that it didn’t decide', (pool) => pool.run('foreign', 'cold', { repo: 'x' })],
    ['a host has joined', (pool) => pool.host('new')],
    ['a host has changed', (pool) => pool.host('cold', { slots: 5 })],
    ['a host has left', (pool) => pool.pool.hostGone('cold', pool.now)],
    ['a build has left', (pool) => pool.pool.buildLeft('2', pool.now)],
    ['a cache has been reported', (pool) => pool.holds('cold', 'x')],
    ['a cache is gone', (pool) => pool.pool.cacheGone('warm', 'x', pool.now)],
    ['an attempt has turned out to be colder', (pool) => pool.pool.warmthSeen('r1', 0.9)],
  ])('is started when %s', (_, happen) => {
    const pool = waiting();
    pool.holds('warm', 'x', { lastUsedAt: START - 1 }).submit('2', { weight: 2 });
    pool.place();
    happen(pool.after(1));
    // A build that was placed by that is what shows it as well.
    const at = decided(pool);
    expect(pool.pool.waiting.get('1') ? at : 1).toBe(1);
  });

  test('is started after a while, because a run may have fallen behind', () => {
    const pool = waiting();
    expect(pool.pool.decide(pool.now).lookAgainAt).toBe(START + 15_000);
    expect(decided(pool.after(14).submit('2', { repo: 'x' }))).toBe(0);
    expect(pool.pool.decide(pool.now).lookAgainAt).toBe(START + 15_000);
    expect(decided(pool.after(1))).toBe(15);
  });

  test('is requested only if a build waits beside free room', () => {
    const again = (pool: Scene) => pool.pool.decide(pool.now).lookAgainAt;
    expect(again(scene().host('a'))).toBeUndefined();
    expect(again(scene().submit('1'))).toBeUndefined();
    expect(again(scene().host('a').run('r', 'a').submit('1'))).toBeUndefined();
    expect(again(scene().host('a').submit('1'))).toBeUndefined();
    expect(again(waiting())).toBe(START + 15_000);
  });

  test('decides an assignment that was not carried out again, even together with an arrival', () => {
    const pool = scene().host('a', { slots: 3 }).submit('1');
    const decide = () => pool.pool.decide(pool.now).assignments.map(({ build }) => build);
    expect(decide()).toEqual(['1']);
    expect(decide()).toEqual(['1']);
    expect(pool.submit('2') && decide()).toEqual(['1', '2']);
    expect(pool.run('1', 'a').run('2', 'a') && decide()).toEqual([]);
  });

  test('places a build that was queued twice once', () => {
    const pool = scene().host('a', { slots: 3 }).submit('1').submit('1');
    expect(pool.pool.waiting.queuedSlots).toBe(1);
    expect(pool.pool.decide(pool.now).assignments).toHaveLength(1);
    expect(pool.place()).toEqual({ 1: 'a' });
    expect(pool.pool.waiting.size).toBe(0);
    expect(pool.place()).toEqual({});
  });
});

test('a new pool starts from the first guess', () => {
  const pool = new PlacementPool();
  expect(pool.learned).toEqual({ estimate: FIRST_GUESS, horizonMs: HOUR, watchedSince: 0 });
  expect(new Scene().host('a').submit('1').why('1').predicted?.runMs).toBe(8 * MINUTE * 1_000);
});
