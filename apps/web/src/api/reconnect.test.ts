import { expect, test } from 'vitest';
import { reconnectMs } from './reconnect.ts';

test('waits longer after each failure, at most 15 s, and never the same for all pages', () => {
  const [soonest, latest] = [0, 0.999_999];
  const waits = Array.from({ length: 12 }, (_, failures) => reconnectMs(failures, () => latest));
  expect(waits.map(Math.round)).toEqual([500, 1_000, 2_000, 4_000, 8_000, ...Array(7).fill(15_000)]);
  for (const [failures, wait] of waits.entries()) expect(reconnectMs(failures, () => soonest)).toBeCloseTo(wait / 2, 0);
});
