import { expect, test } from 'vitest';
import { ago, duration } from './times.ts';

test.each([
  [-5, '0.0s'],
  [9_999, '9.9s'],
  [59_999, '59s'],
  [185_000, '3m 05s'],
  [7_805_000, '2h 10m'],
  [277_000_000, '3d 4h'],
])('%i ms is shown as %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test.each([
  [-1, 'just now'],
  [61_000, '1 min ago'],
  [7_300_000, '2 h ago'],
  [90_000_000, 'yesterday'],
  [260_000_000, '3 days ago'],
])('what was %i ms ago is %s', (ms, text) => {
  expect(ago(ms)).toBe(text);
});
