import { expect, test } from 'vitest';
import { capOf, splitBudget } from './cache-budget.ts';

test('gives untrusted builds a quarter of a budget, or what is configured, but never all of it', () => {
  expect(splitBudget(1_001)).toEqual({ trusted: 751, untrusted: 250 });
  expect(splitBudget(1_000, 400)).toEqual({ trusted: 600, untrusted: 400 });
  expect(() => splitBudget(1_000, 1_000)).toThrow(RangeError);
});

test('takes the largest limit of policies without filters for the budget', () => {
  const unfiltered = (bytes: number) => ({ bytes, filtered: false });
  const sources = { bytes: 99_999, filtered: true };
  expect(capOf([sources, unfiltered(10_000), unfiltered(9_000)])).toBe(10_000);
  expect(capOf([sources])).toBe(0);
  expect(capOf([])).toBe(0);
});
