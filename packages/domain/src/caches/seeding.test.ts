import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ISOLATIONS } from '../isolation/isolation-domain.ts';
import { cacheKey } from '../warmth/cache-owner.ts';
import {
  decideSeed,
  FIRST_SPEED,
  isSooner,
  maySeed,
  type SeedForecast,
  type SeedSource,
  type SeedTarget,
  speedOf,
  transferMs,
} from './seeding.ts';

const MB = 1_000_000;
const HOUR = 3_600_000;
const KEY = cacheKey({ repo: 'app', team: 'web' });
const source = (host: string, more: Partial<SeedSource> = {}): SeedSource => ({
  ...{ host, key: KEY, isolation: 'team', warmth: 1, bytes: 1_000 * MB, lastUsedAt: 0 },
  ...more,
});
const target = (more: Partial<SeedTarget> = {}): SeedTarget => ({
  ...{ host: 'new', key: KEY, isolation: 'team', warmth: 0, slots: 1 },
  ...more,
});
/** A run takes 600 s cold and 60 s warm. */
const forecast = (more: Partial<SeedForecast> = {}): SeedForecast => ({
  ...{ runAt: (warmth: number) => 600_000 - 540_000 * warmth, waiting: 0, builds: 1 },
  ...{ horizonMs: HOUR, evictionLossMs: 0, ...more },
});
/** A gigabyte takes 10 s out and 10 s in, and 2 s more for each task. */
const GIGABYTE_MS = 24_000;

describe('decideSeed', () => {
  test('fills a cold host from the warmest one if builds there gain more than the transfer takes', () => {
    const sources = [source('half', { warmth: 0.5 }), source('warm'), source('old', { warmth: 0.9 })];
    const verdict = decideSeed(target(), sources, forecast({ waiting: 1, builds: 0 }));
    expect(verdict).toEqual({
      ...{ seed: true, from: source('warm'), builds: 1, savesMs: 540_000, transferMs: GIGABYTE_MS },
    });
  });

  test('does not for builds that hardly ever come, or gain little', () => {
    expect(decideSeed(target(), [source('a')], forecast({ builds: 0.01 }))).toMatchObject({
      ...{ seed: false, reason: 'not_worth_it', savesMs: 5_373, costsMs: GIGABYTE_MS },
    });
    const short = forecast({ waiting: 1, runAt: (warmth) => 30_000 - 10_000 * warmth });
    expect(decideSeed(target(), [source('a')], short)).toMatchObject({ seed: false, reason: 'not_worth_it' });
  });

  test('counts what the target would evict for it', () => {
    const waiting = { waiting: 1, builds: 0 };
    expect(decideSeed(target(), [source('a')], forecast({ ...waiting, evictionLossMs: 516_001 })).seed).toBe(false);
    expect(decideSeed(target(), [source('a')], forecast({ ...waiting, evictionLossMs: 515_999 })).seed).toBe(true);
  });

  test('counts only the builds that would find the host cold: no more than its slots', () => {
    const builds = (slots: number, waiting: number) => {
      const verdict = decideSeed(target({ slots }), [source('a')], forecast({ waiting, builds: 0 }));
      return verdict.seed && verdict.builds;
    };
    expect([builds(1, 1), builds(1, 5), builds(4, 2), builds(4, 9)]).toEqual([1, 1, 2, 4]);
  });

  test('leaves a host alone that is about as warm as the best source', () => {
    const verdict = decideSeed(target({ warmth: 0.7 }), [source('a', { warmth: 0.75 })], forecast({ waiting: 1 }));
    expect(verdict).toEqual({ seed: false, reason: 'warm_already' });
  });

  test('has no source in the host itself, in an empty cache, or in another domain', () => {
    const other = cacheKey({ repo: 'app', team: 'ops' });
    const sources = [source('new'), source('a', { bytes: 0 }), source('b', { key: other })];
    expect(decideSeed(target(), sources, forecast({ waiting: 1 }))).toEqual({ seed: false, reason: 'no_source' });
  });
});

describe('maySeed', () => {
  const end = (trust: 'trusted' | 'untrusted', team = 'web', repo = 'app', isolation = 'team' as const) => ({
    ...{ key: cacheKey({ repo, team, trust }), isolation },
  });

  test('allows trusted to untrusted builds of a team, and never the reverse', () => {
    expect(maySeed(end('trusted'), end('untrusted'))).toBe(true);
    expect(maySeed(end('untrusted'), end('trusted'))).toBe(false);
    expect(maySeed(end('untrusted'), end('untrusted'))).toBe(true);
  });

  test('allows neither another team nor another repo', () => {
    expect(maySeed(end('trusted', 'ops'), end('trusted'))).toBe(false);
    expect(maySeed(end('trusted', 'ops'), end('untrusted'))).toBe(false);
    expect(maySeed(end('trusted', 'web', 'site'), end('trusted'))).toBe(false);
  });

  test('never allows a builder into which more may write than into the one that is filled', () => {
    const allowed = ISOLATIONS.map((from) =>
      ISOLATIONS.filter((to) => maySeed({ key: KEY, isolation: from }, { key: KEY, isolation: to })),
    );
    expect(Object.fromEntries(ISOLATIONS.map((from, i) => [from, allowed[i]]))).toEqual({
      ...{ repo: ['team', 'repo', 'pool'], team: ['team', 'pool'], pool: ['pool'] },
    });
  });
});

test('a build waits for a seed only if it then ends before a cold run', () => {
  const plan = { from: source('a', { warmth: 0.5 }), builds: 1, savesMs: 0, transferMs: 269_999 };
  expect(isSooner(plan, target(), forecast())).toBe(true);
  expect(isSooner({ ...plan, transferMs: 270_000 }, target(), forecast())).toBe(false);
});

test('speedOf follows what was measured, apart from what each transfer takes anyway', () => {
  expect(speedOf([])).toEqual(FIRST_SPEED);
  const slow = { kind: 'save', bytes: 2_000 * MB, ms: 202_000 } as const;
  const measured = speedOf([slow, { ...slow, kind: 'seed', ms: 42_000 }, { kind: 'seed', bytes: 0, ms: 9_000 }]);
  expect(measured.saveBytesPerSecond / MB).toBeCloseTo(10.4, 0);
  expect(measured.seedBytesPerSecond / MB).toBeCloseTo(51, 0);
});

describe('for all hosts', () => {
  const keys = fc
    .tuple(fc.constantFrom('app', 'site'), fc.constantFrom('web', 'ops'), fc.constantFrom('trusted', 'untrusted'))
    .map(([repo, team, trust]) => cacheKey({ repo, team, trust }));
  const isolation = fc.constantFrom(...ISOLATIONS);
  const warmth = fc.double({ min: 0, max: 1, noNaN: true });
  const sources = fc.array(
    fc.record({
      ...{ host: fc.constantFrom('a', 'b', 'c', 'new'), key: keys, isolation, warmth },
      ...{ bytes: fc.nat({ max: 20_000 * MB }), lastUsedAt: fc.nat() },
    }),
    { maxLength: 6 },
  );
  const targets = fc.record({
    ...{ host: fc.constant('new'), key: keys, isolation, warmth, slots: fc.integer({ min: 1, max: 8 }) },
  });
  const forecasts = fc
    .record({
      ...{ cold: fc.nat({ max: HOUR }), share: warmth, waiting: fc.nat({ max: 5 }) },
      ...{ builds: fc.double({ min: 0, max: 50, noNaN: true }), evictionLossMs: fc.nat({ max: HOUR }) },
    })
    .map(({ cold, share, ...more }) => forecast({ ...more, runAt: (at) => cold - (cold - cold * share) * at }));

  test('a seed gains more than it costs and comes from the warmest host that may give it', () => {
    fc.assert(
      fc.property(targets, sources, forecasts, (to, from, expected) => {
        const verdict = decideSeed(to, from, expected);
        const allowed = from.filter((one) => one.host !== 'new' && one.bytes > 0 && one.warmth > 0 && maySeed(one, to));
        if (!verdict.seed) {
          if (verdict.reason === 'no_source') expect(allowed).toEqual([]);
          return;
        }
        expect(allowed).toContainEqual(verdict.from);
        expect(verdict.from.warmth).toBe(Math.max(...allowed.map((one) => one.warmth)));
        expect(verdict.from.warmth).toBeGreaterThan(to.warmth);
        expect(verdict.savesMs).toBeGreaterThan(verdict.transferMs + expected.evictionLossMs - 1);
        expect(verdict.transferMs).toBe(transferMs(verdict.from.bytes, FIRST_SPEED));
      }),
      { numRuns: 2_000 },
    );
  });

  test('nothing that untrusted builds or another team wrote comes to trusted builds', () => {
    fc.assert(
      fc.property(targets, sources, forecasts, (to, from, expected) => {
        const verdict = decideSeed(to, from, expected);
        if (!verdict.seed) return;
        const isTrusted = !to.key.startsWith('untrusted ');
        if (isTrusted) expect(verdict.from.key).toBe(to.key);
        else expect([to.key, to.key.replace('untrusted ', 'team ')]).toContain(verdict.from.key);
      }),
      { numRuns: 2_000 },
    );
  });

  test('more builds, a faster transfer or less to evict never turn a seed down', () => {
    const faster = { ...FIRST_SPEED, saveBytesPerSecond: 1e9, seedBytesPerSecond: 1e9 };
    fc.assert(
      fc.property(targets, sources, forecasts, (to, from, expected) => {
        if (!decideSeed(to, from, expected).seed) return;
        expect(decideSeed(to, from, { ...expected, builds: expected.builds + 1 }).seed).toBe(true);
        expect(decideSeed(to, from, { ...expected, waiting: expected.waiting + 1 }).seed).toBe(true);
        expect(decideSeed(to, from, { ...expected, evictionLossMs: expected.evictionLossMs / 2 }).seed).toBe(true);
        expect(decideSeed(to, from, expected, faster).seed).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
