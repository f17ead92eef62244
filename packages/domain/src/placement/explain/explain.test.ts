import { describe, expect, test } from 'vitest';
import type { DecisionReason, PlacementDecision, Verdict } from '../model/decision.ts';
import { Scene, START } from '../testing/scene.ts';

const MINUTE = 60;
const MB = 1_000_000;
const APP = { warm: 60, stale: 240, cold: 600, bytes: MB };
const scene = (repos = {}) => new Scene({ repos: { app: APP, ...repos } });
const verdicts = ({ considered }: PlacementDecision) =>
  Object.fromEntries(considered.map(({ host, verdict }) => [host, verdict]));

/** A scene for each reason except the limits, which the scheduler enforces; the build in question is `1`. */
const REASONS: Readonly<Record<Exclude<DecisionReason, 'team_limit' | 'token_limit'>, () => Scene>> = {
  warm: () => scene().host('a', {}, { app: 1 }),
  partly_warm: () => scene().host('a', {}, { app: 0.4 }),
  cold: () => scene().host('a'),
  cold_sooner: () => {
    const slow = { warm: 1_000, cold: 1_000 };
    return scene({ slow }).host('warm', {}, { app: 1 }).host('a').run('r', 'warm', { repo: 'slow' });
  },
  spread: () => {
    const hot = scene({ app: { ...APP, cold: 300, hourly: 60 } })
      .host('warm', {}, { app: 1 })
      .host('a')
      .run('r', 'warm');
    return hot.submit('first', { age: 60 }).submit('second', { age: 30 });
  },
  waited_enough: () => {
    const repos = { app: { warm: 60, cold: 4_000 }, slow: { warm: 1_000, cold: 1_000 } };
    return scene(repos).host('warm', {}, { app: 1 }).host('a', { slots: 4 }).run('r', 'warm', { repo: 'slow' });
  },
  waits_for_warm: () => scene().host('warm', {}, { app: 1 }).host('a').run('r', 'warm'),
  waits_for_seed: () =>
    scene().host('warm', {}, { app: 1 }).host('a').run('r', 'warm', { repo: 'slow' }).seed('app', 'a', 20),
  all_full: () => scene().host('a').run('r', 'a', { repo: 'other' }),
  no_host: () => scene(),
  none_fits: () => scene().host('a', { cordoned: true }),
  none_of_mode: () =>
    scene()
      .host('a')
      .host('b', { trust: ['untrusted'] }),
  none_of_domain: () => scene().host('a', { isolation: 'team', domain: 'trusted team web' }),
  none_trusted: () => scene().host('a', { trust: ['untrusted'] }),
  none_untrusted: () => scene().host('a', { trust: ['trusted'] }),
};

test.each(Object.entries(REASONS))('gives the reason %s', (reason, make) => {
  const decision = make()
    .submit('1', {
      age: reason === 'waited_enough' ? 65 * MINUTE : 0,
      trust: reason === 'none_untrusted' ? 'untrusted' : 'trusted',
      ...(reason === 'none_of_mode' && { cacheMode: 'registry' }),
    })
    .why('1');
  expect(decision).toMatchObject({ build: '1', reason, decidedAt: START });
  const waits: DecisionReason[] = [
    'waits_for_warm',
    'waits_for_seed',
    'all_full',
    'no_host',
    'none_fits',
    'none_of_mode',
    'none_of_domain',
    'none_trusted',
    'none_untrusted',
  ];
  expect(decision.host === null).toBe(waits.includes(decision.reason));
});

test('gives all_full, not waits_for_warm, if no host is free', () => {
  const decision = scene().host('a', {}, { app: 1 }).host('b').run('r', 'a').run('s', 'b').submit('1').why('1');
  expect(decision).toMatchObject({ host: null, reason: 'all_full', predicted: { startAt: START + 60_000 } });
});

describe('verdicts', () => {
  test('name the chosen host, those that would finish later, and what rules out the others', () => {
    const decision = scene()
      .host('warm', {}, { app: 1 })
      .host('cold')
      .host('full')
      .host('cordoned', { cordoned: true }, { app: 1 })
      .host('draining', { draining: true })
      .host('arm', { platforms: ['linux/arm64'] })
      .host('emulator', { platforms: ['linux/arm64', 'linux/amd64'], emulated: ['linux/amd64'] }, { app: 1 })
      .host('spinning', { labels: { disk: 'spinning' } })
      .host('open', { trust: ['untrusted'] })
      .host('no-slot', { slots: 0 })
      .host('lost')
      .run('r', 'full', { repo: 'other' })
      .submit('1', { platforms: ['linux/amd64'], lostOn: ['lost'] })
      .why('1');
    const expected: Readonly<Record<string, Verdict>> = {
      warm: 'chosen',
      cold: 'later',
      full: 'full',
      cordoned: 'cordoned',
      draining: 'draining',
      arm: 'platform_missing',
      emulator: 'would_emulate',
      'no-slot': 'too_small',
      open: 'trust_missing',
      lost: 'lost_it_before',
      spinning: 'later',
    };
    expect(verdicts(decision)).toEqual(expected);
    expect(decision).not.toHaveProperty('others');
    const labelled = scene()
      .host('a')
      .host('b', { labels: { disk: 'nvme' } });
    expect(verdicts(labelled.submit('1', { hostLabels: { disk: 'nvme' } }).why('1'))).toEqual({
      a: 'label_missing',
      b: 'chosen',
    });
  });

  test('name the host that a build waits for, and a free one that would finish later', () => {
    const pool = scene().host('warm', {}, { app: 1 }).host('cold').run('r', 'warm', { ago: 30 }).submit('1');
    expect(verdicts(pool.why('1'))).toEqual({ warm: 'awaited', cold: 'later' });
  });

  test('name a host that would finish no later but costs others more, with each cost in ms', () => {
    const budget = { cacheBudgetBytes: MB };
    const decision = scene({ hot: { ...APP, hourly: 5 } })
      .host('a', budget, { hot: { bytes: MB } })
      .host('b', budget)
      .submit('1')
      .why('1');
    expect(verdicts(decision)).toEqual({ b: 'chosen', a: 'costs_others' });
    const [, costly] = decision.considered;
    expect(costly?.extras?.eviction).toBeGreaterThan(400_000);
    expect(costly?.extras?.crowding).toBeGreaterThan(0);
    expect(decision.considered[0]?.extras).not.toHaveProperty('eviction');
  });

  test('list the cost of slots that queued builds want and the worth of another copy', () => {
    const pool = scene({ other: APP }).host('a', {}, { other: 1 }).host('b', {}, { app: 1 }).run('r', 'b');
    pool.submit('waits', { repo: 'other', weight: 2 }).submit('1');
    const extras = pool.why('1').considered.find(({ host }) => host === 'a')?.extras;
    expect(extras?.wanted).toBe(60_000);
    expect(extras?.spread).toBeLessThan(0);
  });

  test('list what it is worth that a run makes a partly warm copy a full one', () => {
    const pool = scene({ app: { ...APP, hourly: 20 } })
      .host('a', {}, { app: 0.5 })
      .host('b', {}, { app: 1 });
    const extras = Object.fromEntries(
      pool
        .submit('1')
        .why('1')
        .considered.map(({ host, extras = {} }) => [host, extras]),
    );
    expect(extras.a?.spread).toBeLessThan(0);
    expect(extras.b).toEqual({});
  });

  test('list what a partly warm run costs others', () => {
    const budget = { cacheBudgetBytes: MB };
    const pool = scene({ hot: { ...APP, hourly: 5 } }).host('a', budget, { app: 0.2, hot: { bytes: MB } });
    expect(pool.submit('1').why('1').considered[0]?.extras?.others).toBeGreaterThan(0);
  });
});

describe('figures', () => {
  test('give the warmth, slots, predicted start and finish of each host', () => {
    const pool = scene().host('warm', { slots: 2 }, { app: 1 }).host('cold').run('r', 'warm', { repo: 'other' });
    expect(pool.submit('1').why('1')).toEqual({
      build: '1',
      host: 'warm',
      reason: 'warm',
      decidedAt: START,
      predicted: { startAt: START, finishAt: START + 60_000, runMs: 60_000, warmth: 1 },
      considered: [
        {
          host: 'warm',
          slots: 2,
          usedSlots: 1,
          warmth: 1,
          verdict: 'chosen',
          predicted: { startAt: START, finishAt: START + 60_000, runMs: 60_000, warmth: 1 },
        },
        {
          host: 'cold',
          slots: 1,
          usedSlots: 0,
          warmth: 0,
          verdict: 'later',
          predicted: { startAt: START, finishAt: START + 600_000, runMs: 600_000, warmth: 0 },
          extras: { spread: expect.any(Number) },
        },
      ],
    });
  });

  test('predict when a slot of the awaited host comes free', () => {
    const pool = scene().host('warm', {}, { app: 1 }).host('cold').run('r', 'warm').submit('1');
    expect(pool.why('1')).toMatchObject({
      host: null,
      predicted: { startAt: START + 60_000, finishAt: START + 120_000, runMs: 60_000, warmth: 1 },
    });
  });

  test('count a cache of other dependencies as half at most', () => {
    const pool = scene().host('a', {}, { app: { warmth: 1, version: '1' } });
    expect(pool.submit('1', { cacheVersion: '2' }).why('1')).toMatchObject({
      reason: 'partly_warm',
      predicted: { warmth: 0.5, runMs: 240_000 },
    });
  });
});

describe('in a large pool', () => {
  const large = () => {
    const pool = scene();
    for (let i = 0; i < 15; i++) pool.host(`cordoned${i}`, { cordoned: true });
    for (let i = 0; i < 30; i++) pool.host(`free${i}`);
    for (let i = 0; i < 10; i++) pool.host(`full${i}`).run(`r${i}`, `full${i}`, { repo: 'other' });
    return pool.host('warm', {}, { app: 1 });
  };

  test('lists the best twenty hosts, the chosen one first, and counts the others by verdict', () => {
    const { considered, others = {} } = large().submit('1').why('1');
    expect(considered).toHaveLength(20);
    expect(considered[0]).toMatchObject({ host: 'warm', verdict: 'chosen' });
    expect(considered.filter(({ predicted }) => predicted).length).toBe(1 + 12);
    const listed = considered.slice(13).map(({ verdict }) => verdict);
    const count = (verdict: string) => (others[verdict] ?? 0) + listed.filter((one) => one === verdict).length;
    expect([count('cordoned'), count('costs_others'), count('full')]).toEqual([15, 30 - 12, 10]);
  });

  test('lists or counts every host', () => {
    const { considered, others = {} } = large().submit('1', { repo: 'nobody' }).why('1');
    expect(considered.length + Object.values(others).reduce((sum, hosts) => sum + hosts, 0)).toBe(56);
  });
});

test('doesn’t explain a build that isn’t waiting', () => {
  const pool = scene().host('a').submit('1');
  pool.place();
  expect(pool.pool.explain('1', pool.now)).toBeUndefined();
});
