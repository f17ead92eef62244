import { expect, test } from 'vitest';
import { DecayingSum } from './decaying-sum.ts';
import { Demand } from './demand.ts';

const HOUR = 3_600_000;
/** The clock after `hours`, in a pool where counting began at 0. */
const clock = (hours: number) => ({ now: hours * HOUR, horizonMs: HOUR, memoryMs: 2 * HOUR, watchedMs: hours * HOUR });

function steady(everyMs: number, hours: number): Demand {
  const demand = new Demand();
  for (let at = everyMs; at <= hours * HOUR; at += everyMs) demand.arrived(at, 2 * HOUR);
  return demand;
}

test('expects a repo with a steady rate of builds at that rate, however short the time of counting', () => {
  for (const hours of [0.5, 2, 24]) expect(steady(HOUR / 10, hours).expected(clock(hours))).toBeCloseTo(10, 0);
});

test('forgets a repo that is no longer built', () => {
  const demand = steady(HOUR / 10, 24);
  expect(demand.expected(clock(26))).toBeCloseTo(10 / Math.E, 0);
  expect(demand.expected(clock(48))).toBeLessThan(0.01);
});

test('expects no builds of a repo that was never built', () => {
  expect(new Demand().expected(clock(5))).toBe(0);
});

test('a decaying sum falls to 1/e within its memory, survives storage, and doesn’t grow if time goes back', () => {
  const sum = new DecayingSum();
  sum.add(8, 1_000, 500);
  expect(sum.at(1_500, 500)).toBeCloseTo(8 / Math.E);
  expect(sum.at(500, 500)).toBe(8);
  const again = new DecayingSum();
  again.restore(sum.state);
  expect(again.at(2_000, 500)).toBe(sum.at(2_000, 500));
});
