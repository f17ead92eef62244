import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  expectedRuns,
  FIRST_GUESS,
  learnPool,
  learnRun,
  type PoolEstimate,
  type RepoEstimate,
  runAt,
} from './estimates.ts';

const S = 1_000;
const track = (seconds: number) => ({ mean: seconds * S, samples: 20, drift: 0, spread: 0 });
const runs = (repo: RepoEstimate, pool = FIRST_GUESS) => {
  const { cold, stale, warm } = expectedRuns(repo, pool);
  return [cold, stale, warm].map((ms) => Math.round(ms / S));
};
/** Returns the estimate after runs of these seconds at a warmth. */
const after = (repo: RepoEstimate, warmth: number, ...seconds: number[]) =>
  seconds.reduce((known, run) => learnRun(known, FIRST_GUESS, warmth, run * S), repo);

describe('expected runs', () => {
  test('of an unknown repo are the pool’s', () => {
    expect(runs({})).toEqual([480, 240, 120]);
    expect(runs({}, { ...FIRST_GUESS, warm: 60 * S, coldPerWarm: 10, stalePerWarm: 3 })).toEqual([600, 180, 60]);
  });

  test('that are unknown follow from the repo’s other runs, in the pool’s proportions', () => {
    expect(runs({ warm: track(30) })).toEqual([120, 60, 30]);
    expect(runs({ cold: track(400) })).toEqual([400, 200, 100]);
    expect(runs({ stale: track(100) })).toEqual([200, 100, 50]);
  });

  test('put an unknown stale run between the known ones', () => {
    expect(runs({ cold: track(1_000), warm: track(100) })).toEqual([1_000, 400, 100]);
    expect(runs({ cold: track(110), warm: track(100) })[1]).toBe(103);
  });

  test('are never longer at greater warmth, whatever was learned', () => {
    const seconds = fc.option(fc.integer({ min: 1, max: 5_000 }).map(track), { nil: undefined });
    const ratio = fc.double({ min: 1, max: 50, noNaN: true });
    const warmth = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({ cold: seconds, stale: seconds, warm: seconds }),
        ratio,
        ratio,
        warmth,
        warmth,
        (repo, coldPerWarm, stalePerWarm, a, b) => {
          const expected = expectedRuns(repo, { ...FIRST_GUESS, coldPerWarm, stalePerWarm });
          expect(expected.warm).toBeGreaterThan(0);
          const [less, more] = [Math.min(a, b), Math.max(a, b)];
          expect(runAt(expected, more)).toBeLessThanOrEqual(runAt(expected, less) + 1e-6);
        },
      ),
    );
  });

  test('are interpolated between cold, stale and warm', () => {
    const expected = { cold: 1_000, stale: 400, warm: 100 };
    expect([0, 0.25, 0.5, 0.75, 1].map((warmth) => runAt(expected, warmth))).toEqual([1_000, 700, 400, 250, 100]);
    expect([runAt(expected, -1), runAt(expected, 2)]).toEqual([1_000, 100]);
  });
});

describe('learning of a repo', () => {
  test('updates only the point of warmth of the run', () => {
    expect(runs(after({ cold: track(900), warm: track(100) }, 1, 100, 100))).toEqual([900, 367, 100]);
    expect(after({}, 0, 500)).toEqual({ cold: { mean: 500 * S, samples: 1, drift: 0, spread: 0 } });
    expect(Object.keys(after({}, 0.5, 500))).toEqual(['stale']);
    expect(Object.keys(after({}, 0.9, 500))).toEqual(['warm']);
  });

  test('updates both points in proportion after a run between them', () => {
    const known = { cold: track(1_000), stale: track(400), warm: track(100) };
    // The run expected at ¾ takes 250 s; twice that means that stale and warm runs take twice as long.
    const { cold, stale, warm } = learnRun(known, FIRST_GUESS, 0.75, 500 * S);
    expect(stale?.mean).toBeCloseTo(440 * S);
    expect(warm?.mean).toBeCloseTo(110 * S);
    expect(cold).toBe(known.cold);
  });

  test('follows a change in the repo within a few builds, including its expected cold runs', () => {
    const known = after({ cold: track(800) }, 1, 100, 110, 90, 105, 95, 100, 100, 110, 90, 100);
    const changed = after(known, 1, 400, 410, 390, 400, 400);
    const [cold, , warm] = runs(changed) as [number, number, number];
    expect(warm).toBeGreaterThan(280);
    expect(cold).toBeGreaterThan(1_200);
    const unchanged = after(known, 1, 120, 80, 110, 90, 100);
    expect(runs(unchanged)[0]).toBe(800);
  });
});

describe('learning of the pool', () => {
  const learnBoth = (pool: PoolEstimate, repo: RepoEstimate, warmth: number, seconds: number) => {
    const next = learnRun(repo, pool, warmth, seconds * S);
    return { repo: next, pool: learnPool(pool, next, warmth, seconds * S) };
  };

  test('follows the observed runs by their warmth', () => {
    let pool = FIRST_GUESS;
    for (let i = 0; i < 3_000; i++)
      pool = learnPool(pool, {}, [1, 0.5, 0][i % 3] as number, ([10, 20, 90][i % 3] as number) * S);
    expect([pool.warm, pool.stale, pool.cold].map((ms) => Math.round(ms / S))).toEqual([
      expect.closeTo(10, -1),
      expect.closeTo(20, -1),
      expect.closeTo(90, -1),
    ]);
    expect(pool.samples).toBe(3_000);
  });

  test('learns how much longer cold runs are from repos for which both are known', () => {
    let pool = FIRST_GUESS;
    for (let i = 0; i < 200; i++) {
      let repo: RepoEstimate = {};
      const warm = 10 + 7 * (i % 11);
      ({ pool, repo } = learnBoth(pool, repo, 0, 9 * warm));
      ({ pool, repo } = learnBoth(pool, repo, 0.5, 3 * warm));
      ({ pool } = learnBoth(pool, repo, 1, warm));
    }
    expect(pool.coldPerWarm).toBeCloseTo(9, 0);
    expect(pool.stalePerWarm).toBeCloseTo(3, 0);
    // So the first warm build of a repo predicts how long a cold one would take.
    expect(runs({ warm: track(50) }, pool)[0]).toBeGreaterThan(430);
  });

  test('learns no ratio below 1 from a repo whose cold runs aren’t longer', () => {
    let pool = FIRST_GUESS;
    for (let i = 0; i < 500; i++) pool = learnPool(pool, { cold: track(1), warm: track(60) }, 0, S);
    expect(pool.coldPerWarm).toBeCloseTo(1, 2);
    expect(pool.coldPerWarm).toBeGreaterThanOrEqual(1);
  });

  test('stays finite after runs of zero length', () => {
    let pool = FIRST_GUESS;
    let repo: RepoEstimate = {};
    for (const warmth of [0, 1, 0, 1, 0.75, 0.5]) ({ pool, repo } = learnBoth(pool, repo, warmth, 0));
    for (const figure of [...Object.values(pool), ...Object.values(expectedRuns(repo, pool))]) {
      expect(figure).toBeGreaterThan(0);
      expect(Number.isFinite(figure)).toBe(true);
    }
  });

  test('learns the size of a cache if it is reported', () => {
    const taught = learnPool(FIRST_GUESS, { bytes: 900_000_000 }, 1, S);
    expect(taught.bytes).toBeCloseTo(600_000_000);
    expect(learnPool(FIRST_GUESS, {}, 1, S).bytes).toBe(FIRST_GUESS.bytes);
  });
});
