import { expect, test } from 'vitest';
import type { HostView, PendingBuild } from './model/model.ts';
import { PlacementPool } from './placement-pool.ts';

const host = (name: string): HostView => ({
  name,
  slots: 1,
  platforms: [],
  labels: {},
  trust: ['trusted'],
  cordoned: false,
  draining: false,
});
const build = (id: string): PendingBuild => ({
  id,
  repo: 'app',
  team: 'team',
  priority: 'normal',
  queuedAt: 0,
  createdAt: 0,
  weight: 1,
  platforms: [],
  hostLabels: {},
  trust: 'trusted',
  lostOn: [],
});

/** A pool that has learned the repo's runs: 40 s cold, 4 s warm. */
function knowing(...names: string[]): PlacementPool {
  const pool = new PlacementPool();
  for (const name of names) pool.hostUp(host(name), 0);
  const runs = (mean: number) => ({ mean, samples: 9, drift: 0, spread: 0 });
  const app = { estimate: { cold: runs(40_000), warm: runs(4_000), bytes: 1 }, demand: { value: 3, at: 0 } };
  pool.restore(pool.learned, [['app', app]]);
  return pool;
}

test('prefers a free host with part of the cache to one without, because either run leaves a whole copy', () => {
  const pool = knowing('none', 'some');
  pool.cachesReported('some', new Map([['app', { warmth: 0.25, bytes: 1, lastUsedAt: 0 }]]), 0);
  pool.buildQueued(build('b1'), 0);
  const [assignment] = pool.decide(0, { explained: true }).assignments;
  expect(assignment).toMatchObject({ host: 'some', decision: { reason: 'partly_warm', predicted: { warmth: 0.25 } } });
});

test('counts a cache of which hardly anything is left as none', () => {
  const pool = knowing('none', 'some');
  pool.cachesReported('some', new Map([['app', { warmth: 0.04, bytes: 1, lastUsedAt: 0 }]]), 0);
  pool.buildQueued(build('b1'), 0);
  const [assignment] = pool.decide(0, { explained: true }).assignments;
  expect(assignment?.decision).toMatchObject({ reason: 'cold', predicted: { warmth: 0 } });
});
