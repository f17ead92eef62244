import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expectedRest, GUESSED_SPREAD, KNOWN_SPREAD } from './residual.ts';

test('expects a run that has just begun to take its mean', () => {
  expect(expectedRest(100_000, 0, KNOWN_SPREAD)).toBe(100_000);
});

test('agrees with numerical integration of the lognormal', () => {
  const mean = 100_000;
  for (const sigma of [KNOWN_SPREAD, GUESSED_SPREAD]) {
    for (const elapsed of [10_000, 60_000, 100_000, 200_000, 300_000]) {
      expect(expectedRest(mean, elapsed, sigma) / integrated(mean, elapsed, sigma)).toBeCloseTo(1, 2);
    }
  }
});

test('expects an overdue run to take longer, even more so if its mean was only guessed', () => {
  const rest = (elapsed: number, sigma = KNOWN_SPREAD) => expectedRest(100_000, elapsed, sigma);
  expect(rest(50_000)).toBeLessThan(55_000);
  expect(rest(90_000)).toBeGreaterThan(20_000);
  expect(rest(1_000_000)).toBeGreaterThan(rest(300_000));
  expect(rest(300_000, GUESSED_SPREAD)).toBeGreaterThan(2 * rest(300_000));
});

test('is finite and at least a second, and a run that has lasted longer is expected to end up longer', () => {
  const spread = fc.constantFrom(KNOWN_SPREAD, GUESSED_SPREAD);
  const ms = fc.double({ min: 1, max: 1e9, noNaN: true });
  fc.assert(
    fc.property(ms, ms, ms, spread, (mean, elapsed, more, sigma) => {
      const rest = expectedRest(mean, elapsed, sigma);
      expect(rest).toBeGreaterThanOrEqual(1_000);
      expect(rest).toBeLessThan(1e12);
      const later = elapsed + more + expectedRest(mean, elapsed + more, sigma);
      expect(later).toBeGreaterThanOrEqual((elapsed + rest) * (1 - 1e-3));
    }),
  );
});

/** Returns the mean residual life beyond `elapsed` of a lognormal with this mean and sigma, by the trapezoid rule over log quantiles. */
function integrated(mean: number, elapsed: number, sigma: number): number {
  const mu = Math.log(mean) - (sigma * sigma) / 2;
  const from = Math.log(elapsed);
  const to = mu + 12 * sigma + sigma * sigma;
  const steps = 200_000;
  let mass = 0;
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const x = from + ((to - from) * i) / steps;
    const weight = i === 0 || i === steps ? 0.5 : 1;
    const density = weight * Math.exp(-((x - mu) ** 2) / (2 * sigma * sigma));
    mass += density;
    sum += density * (Math.exp(x) - elapsed);
  }
  return sum / mass;
}
