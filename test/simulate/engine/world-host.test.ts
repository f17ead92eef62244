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

test('keeps a build’s cache, which is warm for the same dependencies and stale for others', () => {
  const world = new WorldHost(host('a'));
  expect(begin(world, 'app').cache).toBe('cold');
  expect(use(world, 'app')).toEqual([]);
  expect(world.cacheFor(build('x', 0))).toBe('warm');
  expect(world.cacheFor(build('x', 0, { dep: 1 }))).toBe('stale');
  use(world, 'app', { dep: 1 });
  expect(world.cacheFor(build('x', 0))).toBe('stale');
});

test('evicts the least recently used cache from a full disk', () => {
  const world = new WorldHost(host('a', { disk: 3 }));
  for (const repo of ['a', 'b', 'c', 'a']) expect(use(world, repo)).toEqual([]);
  expect(use(world, 'd')).toEqual(['b']);
  expect(use(world, 'e', { size: 2 })).toEqual(['c', 'a']);
});

test('counts a cache as used when its build starts, and keeps it while the build runs', () => {
  const world = new WorldHost(host('a', { slots: 3, disk: 2 }));
  use(world, 'a');
  use(world, 'b');
  const running = begin(world, 'a');
  expect(use(world, 'c')).toEqual(['b']);
  expect(use(world, 'd')).toEqual(['c']);
  expect(world.finish(running)).toEqual([]);
});

test('counts a cache that has grown once, and keeps one that is larger than the disk', () => {
  const world = new WorldHost(host('a', { disk: 3 }));
  use(world, 'a', { size: 1 });
  use(world, 'a', { size: 2 });
  expect(use(world, 'b')).toEqual([]);
  expect(use(world, 'huge', { size: 9 })).toEqual(['a', 'b']);
  expect(world.cacheFor(build('x', 0, { repo: 'huge' }))).toBe('warm');
});

test('counts the slots of running builds as used', () => {
  const world = new WorldHost(host('a', { slots: 3 }));
  const wide = begin(world, 'a', { weight: 2 });
  begin(world, 'b');
  expect(world.usedSlots).toBe(3);
  world.finish(wide);
  expect(world.usedSlots).toBe(1);
});
