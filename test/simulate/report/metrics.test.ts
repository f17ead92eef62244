import { expect, test } from 'vitest';
import type { BuildOutcome } from '../engine/simulate.ts';
import { build } from '../testing/small-trace.ts';
import { metricsOf } from './metrics.ts';

/** A build that waited this long and then ran for a minute. */
const outcome = (wait: number, more: Partial<BuildOutcome> = {}, submitted = 100, team = ''): BuildOutcome => ({
  build: build(`${wait}`, submitted, { team }),
  ...{ host: 'a', startedAt: submitted + wait, finishedAt: submitted + wait + 60, cache: 'warm', attempts: 1 },
  ...more,
});

test('gives the times to finish and to start, and the shares of the caches found', () => {
  const waits = Array.from({ length: 100 }, (_, i) => 10 * (i + 1));
  const metrics = metricsOf(
    waits.map((wait, i) => outcome(wait, { cache: i < 70 ? 'warm' : i < 80 ? 'stale' : 'cold' })),
  );
  expect(metrics).toEqual({
    builds: 100,
    warmShare: 0.7,
    staleShare: 0.1,
    coldShare: 0.2,
    meanFinish: 565,
    p50Finish: 560,
    p95Finish: 1_010,
    meanWait: 505,
    p95Wait: 950,
    longestWait: 1_000,
    starved: 0,
    unfairness: 1,
  });
});

test('leaves out builds submitted while the pool filled its caches', () => {
  const all = [outcome(5_000, {}, 50), outcome(10, {}, 100)];
  expect(metricsOf(all, 100)).toMatchObject({ builds: 1, longestWait: 10, starved: 0 });
  expect(metricsOf(all)).toMatchObject({ builds: 2, longestWait: 5_000, starved: 0.5 });
});

test('gives unfairness as the ratio of the longest to the shortest mean wait of a team', () => {
  const all = [outcome(240, {}, 0, 'a'), outcome(0, {}, 0, 'b'), outcome(120, {}, 0, 'b')];
  expect(metricsOf(all).unfairness).toBe((60 + 240) / (60 + 60));
});
