import { expect, test } from 'vitest';
import { z } from 'zod';
import { fieldProblems } from './problem.ts';

function gotOf(input: unknown): string | undefined {
  const parsed = z.object({ ref: z.string() }).safeParse(input);
  return parsed.success ? undefined : fieldProblems(parsed.error, input)[0]?.got;
}

test('fieldProblems shows a value as abbreviated JSON', () => {
  expect(gotOf({ ref: { a: [1, null], secrets: { x: 'y' } } })).toBe('{"a":[1,null],"secrets":"not shown"}');
  expect(gotOf({ ref: Array.from({ length: 100_000 }, () => 'x') })).toMatch(/… \(\d+ characters\)$/);
});

test('fieldProblems abbreviates a deeply nested value', () => {
  const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
  expect(gotOf({ ref: deep })).toBe('[[[["[…]"]]]]');
});
