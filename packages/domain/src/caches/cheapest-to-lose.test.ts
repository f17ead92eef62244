import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FIRST_GUESS } from '../placement/estimates/estimates.ts';
import type { LearnedRepo } from '../placement/estimates/learned.ts';
import { cheapestToLose, type HostCopies, type LearnedFacts } from './cheapest-to-lose.ts';

const HOUR = 3_600_000;
const NOW = 100 * HOUR;
const runs = (mean: number) => ({ mean, samples: 9, drift: 0, spread: 0 });
/** A repo that takes 60 s warm and `cold` s cold. Demand is kept for two hours, so a count of 2 is one build an hour. */
const repo = (cold: number, hourly: number): LearnedRepo => ({
  estimate: { warm: runs(60_000), cold: runs(cold * 1_000) },
  demand: { value: 2 * hourly, at: NOW },
});
const learned = (repos: Record<string, LearnedRepo>): LearnedFacts => ({
  pool: { estimate: FIRST_GUESS, horizonMs: HOUR, watchedSince: 0 },
  repos: new Map(Object.entries(repos)),
});
const host = (name: string, caches: Record<string, number>, open = true): HostCopies => ({
  host: name,
  open,
  caches: new Map(Object.entries(caches).map(([key, warmth]) => [key, { warmth, bytes: 10 }])),
});
const facts = learned({ app: repo(660, 1), web: repo(360, 4), rare: repo(660, 0) });

test('a host costs what the builds of its only copies would lose in an hour', () => {
  const [lost] = cheapestToLose([host('a', { app: 1, web: 1 })], facts, NOW);
  expect(lost?.caches.map(({ repo: name, msPerHour, onlyCopy }) => [name, Math.round(msPerHour), onlyCopy])).toEqual([
    ['web', 4 * 300_000, true],
    ['app', 600_000, true],
  ]);
  expect(Math.round(lost?.msPerHour ?? 0)).toBe(1_800_000);
});

test('the host whose loss costs least is first; one with copies of what others hold costs nothing', () => {
  const hosts = [host('a', { web: 1 }), host('b', { app: 1 }), host('c', { app: 1 }), host('d', { rare: 1 })];
  expect(cheapestToLose(hosts, facts, NOW).map(({ host: name }) => name)).toEqual(['b', 'c', 'd', 'a']);
});

test('a warmer copy costs as much as it is better than the next one', () => {
  const [second, first] = cheapestToLose([host('a', { app: 1 }), host('b', { app: 0.5 })], facts, NOW);
  expect([second?.host, second?.msPerHour]).toEqual(['b', 0]);
  expect(first?.caches).toMatchObject([{ repo: 'app', onlyCopy: false }]);
  expect(first?.msPerHour).toBeGreaterThan(0);
  expect(first?.msPerHour).toBeLessThan(600_000);
});

test('a host that takes no builds is not listed, and its copies make no other host cheaper', () => {
  const losses = cheapestToLose([host('a', { app: 1 }), host('b', { app: 1 }, false)], facts, NOW);
  expect(losses).toMatchObject([{ host: 'a', caches: [{ onlyCopy: true }] }]);
});

test('before anything is learned no host costs anything', () => {
  const losses = cheapestToLose([host('a', { app: 1 })], { pool: undefined, repos: new Map() }, NOW);
  expect(losses).toEqual([{ host: 'a', msPerHour: 0, caches: [] }]);
});

test('another copy never makes the loss of a host dearer', () => {
  const warmth = fc.double({ min: 0.05, max: 1, noNaN: true });
  const caches = fc.dictionary(fc.constantFrom('app', 'web', 'rare', 'unknown'), warmth);
  const pools = fc.array(caches, { minLength: 1, maxLength: 5 }).map((all) => all.map((own, i) => host(`h${i}`, own)));
  const cost = (hosts: readonly HostCopies[]) =>
    new Map(cheapestToLose(hosts, facts, NOW).map((one) => [one.host, one.msPerHour]));
  fc.assert(
    fc.property(pools, caches, (hosts, more) => {
      const before = cost(hosts);
      const after = cost([...hosts, host('more', more)]);
      for (const [name, was] of before) expect(after.get(name)).toBeLessThanOrEqual(was);
      const listed = cheapestToLose(hosts, facts, NOW).map(({ msPerHour }) => msPerHour);
      expect(listed).toEqual(listed.toSorted((a, b) => a - b));
    }),
  );
});
