import { expect, test } from 'vitest';
import { Random, weightedIndex } from './random.ts';

const draw = (random: Random, what: (random: Random) => number, count = 20_000) =>
  Array.from({ length: count }, () => what(random));
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

test('gives the same numbers for the same seed and stream, and others for others', () => {
  const first = (seed: number, stream?: string) => draw(new Random(seed, stream), (one) => one.next(), 5);
  expect(first(1, 'a')).toEqual(first(1, 'a'));
  const different = [first(1, 'a'), first(2, 'a'), first(1, 'b'), first(1), first(1 + 2 ** 32, 'a')];
  expect(new Set(different.map(String)).size).toBe(different.length);
});

test('draws from distributions with the right means and limits', () => {
  const random = new Random(5);
  const uniform = draw(random, (one) => one.next());
  expect(mean(uniform)).toBeCloseTo(0.5, 1);
  expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...uniform)).toBeLessThan(1);
  expect(new Set(draw(random, (one) => one.integer(3, 5)))).toEqual(new Set([3, 4, 5]));
  expect(mean(draw(random, (one) => one.exponential(10))) / 10).toBeCloseTo(1, 1);
  expect(mean(draw(random, (one) => one.logNormal(10, 0.5))) / 10).toBeCloseTo(1, 1);
  expect(mean(draw(random, (one) => Math.log(one.logUniform(1, Math.E ** 2))))).toBeCloseTo(1, 1);
  expect(mean(draw(random, (one) => one.between(2, 4)))).toBeCloseTo(3, 1);
  expect(mean(draw(random, (one) => one.normal()))).toBeCloseTo(0, 1);
  expect(new Set(draw(random, (one) => one.pick([1, 2])))).toEqual(new Set([1, 2]));
});

test('draws an index in proportion to its weight', () => {
  const drawn = draw(new Random(3), (one) => weightedIndex(one, [1, 1, 4, 10]));
  const share = (index: number) => drawn.filter((one) => one === index).length / drawn.length;
  expect([0, 1, 2, 3].map(share)).toEqual([expect.closeTo(0.1, 1), 0, expect.closeTo(0.3, 1), expect.closeTo(0.6, 1)]);
});
