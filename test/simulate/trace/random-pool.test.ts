import { expect, test } from 'vitest';
import { makeTrace } from './make-trace.ts';
import { ANY_SIZE, randomPool, SMALL_SIZE } from './random-pool.ts';

const SEEDS = Array.from({ length: 200 }, (_, i) => i + 1);
const pools = SEEDS.map((seed) => randomPool(seed));
const range = (values: readonly number[]) => [Math.min(...values), Math.max(...values)];

test('draws the same pool from the same seed, and another from another', () => {
  expect(randomPool(7)).toEqual(randomPool(7));
  expect(randomPool(8)).not.toEqual(randomPool(7));
});

test('draws every assumption from a wide range', () => {
  const [fewest = 0, most = 0] = range(pools.map(({ hosts }) => hosts));
  expect(fewest).toBeGreaterThanOrEqual(ANY_SIZE.hosts[0]);
  expect(fewest).toBeLessThan(5);
  expect(most).toBeGreaterThan(35);
  expect(new Set(pools.map(({ slots }) => slots))).toEqual(new Set([1, 2, 3, 4]));
  for (const [values, low, high] of [
    [pools.map(({ load }) => load), 0.35, 0.8],
    [pools.map(({ zipf }) => zipf), 0.1, 1.2],
    [pools.map(({ noise }) => noise), 0.15, 0.85],
    [pools.map(({ coldFactor }) => coldFactor[1]), 3, 9],
    [pools.map(({ disk, repos }) => disk / repos), 0.08, 0.9],
    [pools.map(({ depChanges }) => depChanges), 0.01, 0.2],
  ] as const) {
    const [least = 0, greatest = 0] = range(values);
    expect(least).toBeLessThan(low);
    expect(greatest).toBeGreaterThan(high);
  }
  for (const kind of ['monorepo', 'storms', 'trains', 'baseUpdates', 'losses', 'scale'] as const) {
    const share = pools.filter((pool) => pool[kind] !== undefined).length / pools.length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.9);
  }
});

test('makes a trace from any of them, with runs that are longer the colder they are', () => {
  for (const seed of SEEDS.slice(0, 12)) {
    const { builds, hosts, changes } = makeTrace(randomPool(seed, SMALL_SIZE), seed);
    expect(builds.length).toBeGreaterThan(20);
    expect(hosts.length).toBeLessThanOrEqual(SMALL_SIZE.hosts[1]);
    for (const { run } of builds) expect(run.warm < run.stale && run.stale < run.cold).toBe(true);
    const there = new Set(hosts.map(({ host }) => host));
    for (const change of changes) {
      if (change.type === 'up') there.add(change.host);
      else expect(there.has(change.host)).toBe(true);
      if (change.type === 'down') there.delete(change.host);
    }
  }
});
