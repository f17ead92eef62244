import { expect, test } from 'vitest';
import { type DurationTrack, learn, shiftBetween } from './duration-track.ts';

const after = (samples: readonly number[]) =>
  samples.reduce<DurationTrack | undefined>(learn, undefined) as DurationTrack;
/** Durations scattered around a mean. */
const noisy = (mean: number, count: number) =>
  Array.from({ length: count }, (_, i) => mean * (1 + 0.3 * Math.sin(2.4 * i)));

test('weighs the first samples equally', () => {
  expect(after([100]).mean).toBe(100);
  expect(after([100, 200, 300]).mean).toBe(200);
});

test('moves a settled mean little by noise, and by an outlier no more than by another sample', () => {
  const { mean } = after(noisy(100, 60));
  expect(mean).toBeGreaterThan(90);
  expect(mean).toBeLessThan(110);
  const odd = after([...noisy(100, 60), 1_000]);
  expect(odd.mean).toBeLessThan(mean + 0.11 * 900);
  expect(after([...noisy(100, 60), 1_000, ...noisy(100, 3)]).mean).toBeLessThan(odd.mean);
});

test('follows a lasting change within a few samples, in either direction', () => {
  expect(after([...noisy(100, 60), ...noisy(400, 5)]).mean).toBeGreaterThan(280);
  expect(after([...noisy(400, 60), ...noisy(100, 5)]).mean).toBeLessThan(200);
});

test('forgets old samples even without a sudden change', () => {
  const drifting = Array.from({ length: 200 }, (_, i) => 100 + i);
  expect(after(drifting).mean).toBeGreaterThan(285);
});

test('sees a shift only in several samples on one side', () => {
  const shift = (samples: readonly number[]) => shiftBetween(after(samples.slice(0, -1)), after(samples));
  expect(shift([100])).toBe(0);
  expect(shift([100, 400, 500])).toBe(0);
  expect(shift([100, 100, 100, 100, 100, 100])).toBe(0);
  expect(shift(noisy(100, 60))).toBeLessThan(0.3);
  expect(shift([...noisy(100, 60), 1_000])).toBeLessThan(0.3);
  expect(shift([...noisy(100, 60), 1_000, 1_000, 1_000])).toBeGreaterThan(0.8);
});
