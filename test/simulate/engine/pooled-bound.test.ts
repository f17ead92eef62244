import { expect, test } from 'vitest';
import { build, host, SMALL, trace } from '../testing/small-trace.ts';
import { makeTrace } from '../trace/make-trace.ts';
import type { Trace } from '../trace/trace.ts';
import { pooledBound } from './pooled-bound.ts';

const outcomes = (played: Trace) =>
  Object.fromEntries(
    pooledBound(played).map(({ build, startedAt, finishedAt, cache }) => [build.build, [startedAt, finishedAt, cache]]),
  );

test('shares the cache of each host with all', () => {
  const hosts = [host('a'), host('b')];
  const played = trace([build('1', 0), build('2', 700), build('3', 701), build('4', 900, { dep: 1 })], { hosts });
  expect(outcomes(played)).toEqual({
    1: [0, 600, 'cold'],
    2: [700, 760, 'warm'],
    3: [701, 761, 'warm'],
    4: [900, 1_020, 'stale'],
  });
});

test('serves builds in order of arrival, even if a wide one blocks the others', () => {
  const hosts = [host('a', { slots: 2 })];
  const builds = [build('1', 0), build('wide', 1, { weight: 2 }), build('2', 2)];
  expect(outcomes(trace(builds, { hosts }))).toMatchObject({ wide: [600, 660, 'warm'], 2: [660, 720, 'warm'] });
});

test('queues a lost host’s builds again at their old place, and gives a drained one none', () => {
  const hosts = [host('a'), host('b')];
  const changes = [
    { type: 'drain', t: 1, host: 'b' },
    { type: 'down', t: 100, host: 'a' },
    { type: 'up', t: 200, ...host('c') },
  ] as const;
  const [first, second] = pooledBound(trace([build('1', 0), build('2', 50)], { hosts, changes }));
  expect([first?.host, first?.startedAt, first?.attempts]).toEqual(['c', 200, 2]);
  expect(second).toMatchObject({ host: 'c', startedAt: 800, cache: 'warm' });
});

test('finishes every build of a made trace once', () => {
  const made = makeTrace(SMALL, 1);
  const ids = pooledBound(made).map(({ build }) => build.build);
  expect(new Set(ids).size).toBe(made.builds.length);
  expect(ids).toHaveLength(made.builds.length);
});
