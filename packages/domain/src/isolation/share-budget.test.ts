import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addWorth, type DomainWorth, MAX_DOMAINS, shareBudget, worthOf } from './share-budget.ts';

const DAY_MS = 24 * 3_600_000;
const one = (domain: string, worth: number, more: Partial<DomainWorth> = {}): DomainWorth => ({
  ...{ domain, worth, lastUsedAt: 0, isNeeded: false },
  ...more,
});

test('shareBudget divides the budget by the worth of caches, with a minimum for each domain', () => {
  const { shares, discarded } = shareBudget(3_200, [one('a', 300), one('b', 100), one('c', 0)]);
  expect(Object.fromEntries(shares)).toEqual({ a: 100 + 2_175, b: 100 + 725, c: 100 });
  expect(discarded).toEqual([]);
  expect(Object.fromEntries(shareBudget(3_200, [one('a', 0), one('b', 0)]).shares)).toEqual({ a: 1_600, b: 1_600 });
  expect(Object.fromEntries(shareBudget(3_200, [one('a', 7)]).shares)).toEqual({ a: 3_200 });
  expect(shareBudget(3_200, [])).toEqual({ shares: new Map(), discarded: [] });
});

test('shareBudget discards the domains with the least worth, then those used longest ago, if there are too many', () => {
  const many = Array.from({ length: MAX_DOMAINS - 1 }, (_, i) => one(`d${i}`, 5));
  const late = one('late', 1, { lastUsedAt: 2 });
  const early = one('early', 1, { lastUsedAt: 1 });
  const needed = one('needed', 0, { isNeeded: true });
  expect(shareBudget(1e9, [early, ...many, late]).discarded).toEqual(['early']);
  expect(shareBudget(1e9, [early, ...many, late, needed]).discarded).toEqual(['late', 'early']);
});

test('shareBudget never exceeds the budget, discards no needed domain, and leaves each its minimum', () => {
  const worths = fc.array(fc.record({ worth: fc.nat(1_000), lastUsedAt: fc.nat(9), isNeeded: fc.boolean() }), {
    maxLength: 80,
  });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), worths, (budget, all) => {
      const domains = all.map((worth, i) => ({ ...worth, domain: `d${i}` }));
      const { shares, discarded } = shareBudget(budget, domains);
      expect([...shares.values()].reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(budget);
      const floor = Math.floor(budget / Math.max(MAX_DOMAINS, shares.size));
      for (const bytes of shares.values()) expect(bytes).toBeGreaterThanOrEqual(floor);
      expect(shares.size + discarded.length).toBe(domains.length);
      for (const { domain, isNeeded } of domains) if (isNeeded) expect(shares.has(domain)).toBe(true);
    }),
  );
});

test('addWorth and worthOf let savings decay within days', () => {
  const worth = addWorth(addWorth(undefined, 60_000, 0), 30_000, 0);
  expect(worthOf(worth, 0)).toBe(90_000);
  expect(worthOf(worth, 3 * DAY_MS)).toBeCloseTo(90_000 / Math.E);
  expect(worthOf(addWorth(worth, -5, 0), 0)).toBe(90_000);
  // A clock that goes back increases no worth.
  expect(worthOf(addWorth(undefined, 1, DAY_MS), 0)).toBe(1);
});
