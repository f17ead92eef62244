import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CACHE_KINDS } from './cache-kind.ts';
import { chooseEvictions, type EvictableCache, evictionOrder, savingPerHour, worthPerByte } from './worth.ts';

const NOW = 1_000_000_000;
const cache = (id: string, more: Partial<EvictableCache> = {}): EvictableCache => ({
  ...{ id, kind: 'outputs', bytes: 100, lastUsedAt: 0, inUse: false, savesPerHour: 0 },
  ...more,
});
const ids = (caches: readonly { readonly id: string }[]) => caches.map(({ id }) => id);
const chosen = (...args: Parameters<typeof chooseEvictions>) =>
  chooseEvictions(...args).map(({ cache: { id }, reason }) => `${id} ${reason}`);

test('worthPerByte is what warmth saves per hour, by byte; without demand or saving a cache is worth nothing', () => {
  expect(worthPerByte({ buildsPerHour: 6, savedMs: 60_000, bytes: 1_000 })).toBe(360);
  expect(worthPerByte({ buildsPerHour: 0, savedMs: 60_000, bytes: 1_000 })).toBe(0);
  expect(worthPerByte({ buildsPerHour: 6, savedMs: -5, bytes: 1_000 })).toBe(0);
  expect(worthPerByte({ buildsPerHour: 0, savedMs: 0, bytes: 0 })).toBe(Number.POSITIVE_INFINITY);
  expect(savingPerHour({ buildsPerHour: 2, savedMs: 3 })).toBe(6);
});

test('evictionOrder puts the least saving per byte first, then what was used longest ago, and leaves out what is in use', () => {
  const caches = [
    cache('hot', { savesPerHour: 1_000 }),
    cache('large', { savesPerHour: 1_000, bytes: 10_000 }),
    cache('old', { lastUsedAt: 1 }),
    cache('older', { lastUsedAt: 0, bytes: 1 }),
    cache('just', { lastUsedAt: NOW - 5 }),
    cache('busy', { inUse: true }),
    cache('empty', { bytes: 0 }),
  ];
  expect(ids(evictionOrder(caches, NOW))).toEqual(['older', 'old', 'just', 'large', 'hot']);
});

test('chooseEvictions frees what is necessary, and no more', () => {
  const caches = [cache('a', { savesPerHour: 1 }), cache('b', { savesPerHour: 2 }), cache('c', { savesPerHour: 3 })];
  expect(chosen(caches, {}, NOW)).toEqual([]);
  expect(chosen(caches, { overBudgetBytes: 100 }, NOW)).toEqual(['a budget']);
  expect(chosen(caches, { overBudgetBytes: 101 }, NOW)).toEqual(['a budget', 'b budget']);
  expect(chosen(caches, { overBudgetBytes: 1, lowDiskBytes: 150 }, NOW)).toEqual(['a budget', 'b low_disk']);
});

test('chooseEvictions keeps a repo and a team within their caps by their own caches only', () => {
  const caches = [
    cache('x1', { repo: 'x', team: 't', savesPerHour: 9 }),
    cache('x2', { repo: 'x', team: 't', savesPerHour: 8 }),
    cache('y', { repo: 'y', team: 't', savesPerHour: 7 }),
    cache('z', { repo: 'z', team: 'u', savesPerHour: 1 }),
    cache('shared', { team: 't', savesPerHour: 10 }),
  ];
  expect(chosen(caches, { repoCapBytes: 150 }, NOW)).toEqual(['x2 repo_cap']);
  expect(chosen(caches, { teamCapBytes: 250 }, NOW)).toEqual(['y team_cap', 'x2 team_cap']);
  expect(chosen(caches, { repoCapBytes: 150, teamCapBytes: 250, overBudgetBytes: 250 }, NOW)).toEqual([
    ...['x2 repo_cap', 'y team_cap', 'z budget'],
  ]);
});

test('chooseEvictions never evicts what is in use, frees enough if it can, and is minimal', () => {
  const some = fc.array(
    fc.record({
      ...{ bytes: fc.nat(1_000), lastUsedAt: fc.nat(NOW), inUse: fc.boolean(), savesPerHour: fc.nat(50) },
      ...{ kind: fc.constantFrom(...CACHE_KINDS), repo: fc.option(fc.constantFrom('x', 'y'), { nil: undefined }) },
    }),
    { maxLength: 30 },
  );
  const cap = fc.option(fc.nat(3_000), { nil: undefined });
  fc.assert(
    fc.property(some, fc.nat(5_000), cap, (all, overBudgetBytes, repoCapBytes) => {
      const caches = all.map((one, i): EvictableCache => ({ id: `c${i}`, ...one }));
      const evictions = chooseEvictions(caches, { overBudgetBytes, repoCapBytes }, NOW);
      const freed = evictions.reduce((sum, { cache: { bytes } }) => sum + bytes, 0);
      const free = caches.filter(({ inUse }) => !inUse).reduce((sum, { bytes }) => sum + bytes, 0);
      expect(evictions.some(({ cache: { inUse } }) => inUse)).toBe(false);
      expect(new Set(ids(evictions.map((one) => one.cache))).size).toBe(evictions.length);
      expect(freed).toBeGreaterThanOrEqual(Math.min(overBudgetBytes, free));
      const last = evictions.findLast(({ reason }) => reason === 'budget');
      if (last) expect(freed - last.cache.bytes).toBeLessThan(overBudgetBytes);
    }),
  );
});
