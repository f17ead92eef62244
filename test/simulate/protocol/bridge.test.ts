import { describe, expect, test } from 'vitest';
import type { PriorityClass } from '../trace/trace.ts';
import { KilnPolicy } from './bridge.ts';

/** A policy with hosts of one slot each. */
function policyOf(hosts: readonly string[], classes: readonly PriorityClass[] = [], depKnown = true) {
  const policy = new KilnPolicy();
  policy.handle({
    ...{ type: 'init', t: 0, seed: 1, classes, dep_known: depKnown },
    hosts: hosts.map((host) => ({ host, slots: 1, disk: 10 })),
  });
  const queue = (t: number, build: string, repo: string, more: { prio?: number; dep?: number } = {}) =>
    policy.handle({ type: 'build_queued', t, build, repo, prio: 0, submitted: t, attempt: 1, ...more });
  const decide = (t: number) => policy.decide(t).assign.map(({ build, host }) => `${build} ${host}`);
  /** Runs the build for a second; it leaves its cache. */
  const run = (
    t: number,
    build: string,
    host: string,
    cache: 'warm' | 'stale' | 'cold',
    more: { dep?: number; evicted?: string[]; seconds?: number } = {},
  ) => {
    const { seconds: run_s = 1, evicted = [], ...dep } = more;
    policy.handle({ type: 'build_started', t, build, host, cache });
    policy.handle({ type: 'build_finished', t: t + run_s, build, host, run_s, size: 1, evicted, ...dep });
  };
  return { policy, queue, decide, run };
}

test('removes an evicted cache', () => {
  const { queue, decide, run, policy } = policyOf(['a', 'b']);
  queue(0, '1', 'x');
  queue(0, '2', 'y');
  expect(decide(0)).toEqual(['1 a', '2 b']);
  run(0, '1', 'a', 'cold');
  run(0, '2', 'b', 'cold', { evicted: [] });
  queue(10, '3', 'z');
  const [placed] = decide(10);
  const host = placed?.endsWith('a') ? 'a' : 'b';
  run(10, '3', host, 'cold', { evicted: [host === 'a' ? 'x' : 'y'] });
  expect([...policy.pool.cachesOf(host).keys()]).toEqual(['z']);
});

test('removes a cache that a start didn’t find', () => {
  const { queue, decide, run, policy } = policyOf(['a']);
  queue(0, '1', 'x');
  decide(0);
  run(0, '1', 'a', 'cold');
  expect(policy.pool.cachesOf('a').get('x')?.warmth).toBe(1);
  queue(10, '2', 'x');
  decide(10);
  policy.handle({ type: 'build_started', t: 10, build: '2', host: 'a', cache: 'cold' });
  expect(policy.pool.cachesOf('a').size).toBe(0);
});

test('counts a cache of another dependency set as stale if sets are known', () => {
  const { queue, decide, run, policy } = policyOf(['a', 'b']);
  queue(0, '1', 'x', { dep: 1 });
  expect(decide(0)).toEqual(['1 a']);
  run(0, '1', 'a', 'cold', { dep: 1, seconds: 600 });
  queue(700, '2', 'x', { dep: 2 });
  expect(decide(700)).toEqual(['2 a']);
  policy.handle({ type: 'build_started', t: 700, build: '2', host: 'a', cache: 'stale' });
  expect(policy.pool.learnedRepo('x')?.estimate.cold?.mean).toBe(600_000);
  expect(policy.pool.hosts.get('a')?.running.get('2')).toMatchObject({ warmth: 0.5, cacheVersion: '2' });
});

test('counts a cache as warm as the repo’s starts turned out to be if sets are hidden', () => {
  const { queue, decide, run, policy } = policyOf(['a'], [], false);
  for (let i = 0; i < 40; i++) {
    queue(10 * i, `${i}`, 'x');
    decide(10 * i);
    run(10 * i, `${i}`, 'a', i === 0 ? 'cold' : i % 2 ? 'stale' : 'warm', { dep: i });
  }
  const held = policy.pool.cachesOf('a').get('x');
  expect(held?.warmth).toBeGreaterThan(0.65);
  expect(held?.warmth).toBeLessThan(0.85);
  expect(held?.version).toBeUndefined();
});

test('restores the caches of a host that came back once a warm start shows them', () => {
  const { queue, decide, run, policy } = policyOf(['a']);
  for (const [i, repo] of ['x', 'y'].entries()) {
    queue(10 * i, repo, repo);
    decide(10 * i);
    run(10 * i, repo, 'a', 'cold');
  }
  policy.handle({ type: 'host_down', t: 50, host: 'a' });
  policy.handle({ type: 'host_up', t: 60, host: 'a', slots: 1, disk: 10 });
  expect(policy.pool.cachesOf('a').size).toBe(0);
  queue(60, '1', 'x');
  decide(60);
  policy.handle({ type: 'build_started', t: 60, build: '1', host: 'a', cache: 'warm' });
  expect([...policy.pool.cachesOf('a').keys()].sort()).toEqual(['x', 'y']);
});

test('keeps a lost build away from the host that lost it, even if that comes back at once', () => {
  const { queue, decide, policy } = policyOf(['a', 'b']);
  queue(0, '1', 'x');
  expect(decide(0)).toEqual(['1 a']);
  policy.handle({ type: 'host_down', t: 1, host: 'a' });
  policy.handle({ type: 'build_queued', t: 1, build: '1', repo: 'x', prio: 0, submitted: 0, attempt: 2 });
  policy.handle({ type: 'host_up', t: 1, host: 'a', slots: 1, disk: 10 });
  expect(decide(1)).toEqual(['1 b']);
});

describe('classes', () => {
  const order = (classes: readonly PriorityClass[]) => {
    const { queue, policy, decide } = policyOf(['a'], classes);
    for (const { prio, name } of classes) queue(0, name, `repo-${prio}`, { prio });
    const served: string[] = [];
    for (let t = 0; served.length < classes.length; t += 100) {
      const [assigned] = decide(t);
      const id = assigned?.split(' ')[0] ?? '';
      served.push(id);
      policy.handle({ type: 'build_finished', t: t + 50, build: id, host: 'a', run_s: 50, size: 1, evicted: [] });
    }
    return served;
  };

  test('map by Kiln’s own names, whatever their numbers', () => {
    expect(
      order([
        { prio: 0, name: 'batch' },
        { prio: 1, name: 'normal' },
        { prio: 9, name: 'interactive' },
      ]),
    ).toEqual(['interactive', 'normal', 'batch']);
  });

  test('with other names map by their numbers, smallest first', () => {
    expect(
      order([
        { prio: 5, name: 'late' },
        { prio: 1, name: 'early' },
      ]),
    ).toEqual(['early', 'late']);
    expect(
      order([
        { prio: 3, name: 'third' },
        { prio: 2, name: 'second' },
        { prio: 1, name: 'first' },
      ]),
    ).toEqual(['first', 'second', 'third']);
  });
});

test('ignores a time that goes back', () => {
  const { queue, decide } = policyOf(['a']);
  queue(100, '1', 'x');
  expect(decide(50)).toEqual(['1 a']);
});
