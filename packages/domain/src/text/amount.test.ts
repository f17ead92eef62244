import { expect, test } from 'vitest';
import { amountOf, parseAmount } from './amount.ts';

test.each([
  ['200GB', 200 * 1024 ** 3],
  ['0', 0],
  ['40%', 400],
  ['2.5%', 25],
  ['100%', 1_000],
])('%s of 1000 bytes is %d bytes', (text, bytes) => {
  const amount = parseAmount(text);
  expect(amount && amountOf(amount, 1_000)).toBe(bytes);
});

test.each(['', '%', '101%', '-5%', '40 %', '1e3', 'half'])('%j is neither a size nor a percentage', (text) => {
  expect(parseAmount(text)).toBeUndefined();
});
