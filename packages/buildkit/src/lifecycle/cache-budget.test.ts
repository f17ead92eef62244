import { expect, test } from 'vitest';
import { splitBudget } from './cache-budget.ts';

test('gives untrusted builds a quarter of a budget, or what is configured, but never all of it', () => {
  expect(splitBudget(1_001)).toEqual({ trusted: 751, untrusted: 250 });
  expect(splitBudget(1_000, 400)).toEqual({ trusted: 600, untrusted: 400 });
  expect(() => splitBudget(1_000, 1_000)).toThrow(RangeError);
});
