import { expect, test } from 'vitest';
import { Saturation } from './saturation.ts';

test('is the share of recent time during which the pool was full', () => {
  const saturation = new Saturation(1_000);
  saturation.advance(0, true);
  expect(saturation.share).toBe(0);
  saturation.advance(1_000, true);
  expect(saturation.share).toBeCloseTo(1 - 1 / Math.E);
  saturation.advance(1_000, false);
  expect(saturation.share).toBeCloseTo(1 - 1 / Math.E);
  saturation.advance(20_000, true);
  expect(saturation.share).toBeCloseTo(1);
  saturation.advance(21_000, false);
  expect(saturation.share).toBeCloseTo(1 / Math.E);
});

test('is about one half if the pool is full half of the time', () => {
  const saturation = new Saturation(10_000);
  for (let at = 0; at <= 100_000; at += 100) saturation.advance(at, at % 200 === 0);
  expect(saturation.share).toBeCloseTo(0.5, 1);
});
