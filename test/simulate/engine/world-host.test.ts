import { expect, test } from 'vitest';
import { build, host } from '../testing/small-trace.ts';
import { type Running, WorldHost } from './world-host.ts';

let builds = 0;
function begin(world: WorldHost, repo: string, more: { dep?: number; size?: number; weight?: number } = {}): Running {
  const one = build(`b${builds++}`, 0, { repo, ...more });
  const cache = world.cacheFor(one);
  const running = { build: one, attempt: 1, startedAt: 0, runS: one.run[cache], cache };
  world.start(running);
  return running;
}
const use = (world: WorldHost, repo: string, more = {}) => world.finish(begin(world, repo, more));

test('a build leaves its cache: warm for the same dependencies, stale for others', () => {
  const world = new WorldHost(host('a'));
  expect(begin(world, 'app').cache).toBe('cold');
  expect(use(world, 'app')).toEqual([]);
  expect(world.cacheFor(build('x', 0))).toBe('warm');
  expect(world.cacheFor(build('x', 0, { dep: 1 }))).toBe('stale');
  use(world, 'app', { dep: 1 });
  expect(world.cacheFor(build('x', 0))).toBe('stale');
});

test('a full disk gives up what was used least recently', () => {
  const world = new WorldHost(host('a', { disk: 3 }));
  for (const repo of ['a', 'b', 'c', 'a']) expect(use(world, repo)).toEqual([]);
  expect(use(world, 'd')).toEqual(['b']);
  expect(use(world, 'e', { size: 2 })).toEqual(['c', 'a']);
});

test('a cache is used when its build begins, and kept while it runs', () => {
  const world = new WorldHost(host('a', { slots: 3, disk: 2 }));
  use(world, 'a');
  use(world, 'b');
  const running = begin(world, 'a');
  expect(use(world, 'c')).toEqual(['b']);
  expect(use(world, 'd')).toEqual(['c']);
  expect(world.finish(running)).toEqual([]);
});

test('a cache that grew is counted once, and one that is larger than the disk stays for its repo alone', () => {
  const world = new WorldHost(host('a', { disk: 3 }));
  use(world, 'a', { size: 1 });
  use(world, 'a', { size: 2 });
  expect(use(world, 'b')).toEqual([]);
  expect(use(world, 'huge', { size: 9 })).toEqual(['a', 'b']);
  expect(world.cacheFor(build('x', 0, { repo: 'huge' }))).toBe('warm');
});

test('slots are taken while builds run', () => {
  const world = new WorldHost(host('a', { slots: 3 }));
  const wide = begin(world, 'a', { weight: 2 });
  begin(world, 'b');
  expect(world.usedSlots).toBe(3);
  world.finish(wide);
  expect(world.usedSlots).toBe(1);
});
