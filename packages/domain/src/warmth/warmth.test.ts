import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Inventory } from './inventory.ts';
import type { RepoUsage } from './usage.ts';
import { cacheOf, cachesOf, warmth } from './warmth.ts';

const MB = 1e6;
const usage = (mounts: Record<string, number>, layerBytes = 0, repo = 'app'): RepoUsage => ({
  repo,
  mounts: Object.entries(mounts).map(([id, bytes]) => ({ id, bytes, missed: 0 })),
  layerBytes,
});
const inventory = (mounts: Record<string, number>, layers: Record<string, number> = {}): Inventory => ({
  sizesAreFloors: false,
  mounts: new Map(Object.entries(mounts).map(([id, bytes], i) => [id, { bytes, lastUsedAt: 100 + i }])),
  layers: new Map(Object.entries(layers).map(([repo, bytes]) => [repo, { bytes, lastUsedAt: 500 }])),
});

const ids = fc.constantFrom('a//npm', 'a//tsc', 'a//webpack', 'b//npm', 'b//go');
const bytes = fc.nat({ max: 5e9 });
const usages = fc.record({
  repo: fc.constantFrom('app', 'web', 'api'),
  mounts: fc.uniqueArray(fc.record({ id: ids, bytes, missed: fc.constant(0) }), { selector: ({ id }) => id }),
  layerBytes: bytes,
});
const held = fc.record({ bytes, lastUsedAt: fc.nat() });
const inventories: fc.Arbitrary<Inventory> = fc.record({
  sizesAreFloors: fc.boolean(),
  mounts: fc.uniqueArray(fc.tuple(ids, held), { selector: ([id]) => id }).map((entries) => new Map(entries)),
  layers: fc
    .uniqueArray(fc.tuple(fc.constantFrom('app', 'web'), held), { selector: ([repo]) => repo })
    .map((entries) => new Map(entries)),
});

/** Creates an inventory with everything that the usage names. */
const wholeOf = ({ repo, mounts, layerBytes }: RepoUsage): Inventory => ({
  sizesAreFloors: false,
  mounts: new Map(mounts.map(({ id, bytes }) => [id, { bytes, lastUsedAt: 1 }])),
  layers: new Map([[repo, { bytes: layerBytes, lastUsedAt: 1 }]]),
});

describe('warmth', () => {
  test('is 0 for an unknown repo, however full the host', () => {
    expect(warmth(undefined, inventory({ 'a//npm': MB }, { app: MB }))).toBe(0);
    expect(warmth(usage({}), inventory({ 'a//npm': MB }, { app: MB }))).toBe(0);
  });

  test('is the share of the bytes that are there', () => {
    const used = usage({ 'a//npm': 30 * MB, 'a//tsc': 10 * MB });
    expect(warmth(used, inventory({ 'a//npm': 30 * MB, 'a//tsc': 10 * MB, 'b//npm': MB }))).toBe(1);
    expect(warmth(used, inventory({ 'a//npm': 30 * MB }))).toBe(0.75);
    expect(warmth(used, inventory({ 'a//npm': 15 * MB }))).toBe(0.375);
    expect(warmth(used, inventory({ 'b//npm': 30 * MB }))).toBe(0);
  });

  test('counts a mount that has grown once, and one whose size is a floor by its presence', () => {
    const used = usage({ 'a//npm': 10 * MB, 'a//tsc': 10 * MB });
    expect(warmth(used, inventory({ 'a//npm': 99 * MB }))).toBe(0.5);
    expect(warmth(used, { ...inventory({ 'a//npm': 1 }), sizesAreFloors: true })).toBe(0.5);
  });

  test('counts mounts without a size by their presence', () => {
    expect(warmth(usage({ 'a//npm': 0, 'a//tsc': 0 }), inventory({ 'a//npm': 0 }))).toBe(0.5);
  });

  test('weights mounts three times as much as layers, however large those are', () => {
    const used = usage({ 'a//npm': MB }, 1000 * MB);
    expect(warmth(used, inventory({ 'a//npm': MB }))).toBe(0.75);
    expect(warmth(used, inventory({}, { app: 1000 * MB }))).toBe(0.25);
    expect(warmth(used, inventory({ 'a//npm': MB }, { app: 500 * MB }))).toBe(0.875);
  });

  test('depends only on layers for a repo without mounts', () => {
    expect(warmth(usage({}, 100), inventory({}, { app: 40 }))).toBe(0.4);
    expect(warmth(usage({}, 100), inventory({}, { app: 140 }))).toBe(1);
    expect(warmth(usage({}, 100), inventory({}, { web: 140 }))).toBe(0);
  });

  test('is between 0 and 1, and 1 if everything is there', () => {
    fc.assert(
      fc.property(usages, inventories, (used, there) => {
        const degree = warmth(used, there);
        expect(degree).toBeGreaterThanOrEqual(0);
        expect(degree).toBeLessThanOrEqual(1);
        if (used.mounts.length > 0 || used.layerBytes > 0) expect(warmth(used, wholeOf(used))).toBe(1);
      }),
    );
  });

  test('never rises when something is evicted, and falls if that was used', () => {
    fc.assert(
      fc.property(usages, inventories, ids, (used, there, evicted) => {
        const mounts = new Map(there.mounts);
        const had = mounts.delete(evicted);
        const before = warmth(used, there);
        const after = warmth(used, { ...there, mounts });
        expect(after).toBeLessThanOrEqual(before);
        if (had && used.mounts.some(({ id }) => id === evicted)) expect(after).toBeLessThan(before);
        expect(warmth(used, { ...there, layers: new Map() })).toBeLessThanOrEqual(before);
      }),
    );
  });
});

describe('cachesOf', () => {
  test('returns each repo’s caches on the host, without cold repos', () => {
    const there = inventory({ 'a//npm': 10, 'a//tsc': 20, 'b//go': 30 }, { web: 5 });
    const caches = cachesOf(there, [
      usage({ 'a//npm': 10, 'a//tsc': 40 }, 0, 'app'),
      usage({}, 5, 'web'),
      usage({ 'c//npm': 10 }, 7, 'cold'),
    ]);
    expect([...caches]).toEqual([
      ['app', { warmth: 0.6, bytes: 30, lastUsedAt: 101, seedable: { warmth: 0.6, bytes: 30 } }],
      ['web', { warmth: 1, bytes: 5, lastUsedAt: 500 }],
    ]);
  });

  test('says how warm the mounts alone, without the layers, make another host', () => {
    const there = inventory({ 'a//npm': 10 }, { app: 5 });
    const app = usage({ 'a//npm': 10, 'a//tsc': 10 }, 5, 'app');
    expect(cachesOf(there, [app]).get('app')).toMatchObject({ warmth: 0.625, seedable: { warmth: 0.375, bytes: 10 } });
  });

  test('agrees with warmth for every repo', () => {
    fc.assert(
      fc.property(fc.uniqueArray(usages, { selector: ({ repo }) => repo }), inventories, (all, there) => {
        const caches = cachesOf(there, all);
        for (const used of all) {
          expect(caches.get(used.repo)?.warmth ?? 0).toBe(warmth(used, there));
          expect(caches.get(used.repo)).toEqual(cacheOf(used, there));
        }
      }),
    );
  });
});
