import { expect, test } from 'vitest';
import { cacheKey } from '../warmth/cache-owner.ts';
import type { HostView, PendingBuild } from './model/model.ts';
import { PlacementPool } from './placement-pool.ts';

const NOW = 10_000_000;

function host(name: string, more: Partial<HostView> = {}): HostView {
  const view = { name, slots: 4, platforms: [], labels: {}, cordoned: false, draining: false };
  return { ...view, trust: ['trusted', 'untrusted'], isolation: 'team', ...more };
}

function build(id: string, team: string, repo = 'app'): PendingBuild {
  return {
    ...{ id, repo: cacheKey({ repo, team }), team, priority: 'normal', trust: 'trusted' },
    ...{ queuedAt: NOW, createdAt: NOW, weight: 1, platforms: [], hostLabels: {}, lostOn: [] },
  };
}

function placed(pool: PlacementPool, ...builds: readonly PendingBuild[]) {
  const { assignments } = pool.decide(NOW, { explained: true });
  return builds.map(({ id }) => {
    const decision = assignments.find((one) => one.build === id)?.decision ?? pool.explain(id, NOW);
    return decision && { host: decision.host, reason: decision.reason, considered: decision.considered };
  });
}

test('a host that serves one domain takes its builds; others go elsewhere or wait with none_of_domain', () => {
  const pool = new PlacementPool();
  const [web, ops] = [build('1', 'web'), build('2', 'ops')];
  pool.hostUp(host('a', { domain: 'trusted team web' }), NOW);
  for (const one of [web, ops]) pool.buildQueued(one, NOW);
  expect(placed(pool, web, ops)).toMatchObject([
    { host: 'a' },
    {
      ...{ host: null, reason: 'none_of_domain' },
      considered: [{ host: 'a', verdict: 'other_domain', serves: 'trusted team web' }],
    },
  ]);
  // A cordoned host could take it, so the reason is another one.
  pool.hostUp(host('b', { cordoned: true }), NOW);
  expect(placed(pool, ops)).toMatchObject([{ host: null, reason: 'none_fits' }]);
  pool.hostUp(host('b'), NOW);
  expect(placed(pool, ops)).toMatchObject([{ host: 'b', reason: 'cold' }]);
});

test('waiting builds are regrouped by domain once a host serves only one', () => {
  const pool = new PlacementPool();
  const builds = [build('1', 'web'), build('2', 'ops'), build('3', 'web', 'site')];
  pool.hostUp(host('a', { slots: 0 }), NOW);
  for (const one of builds) pool.buildQueued(one, NOW);
  expect(placed(pool, ...builds).map((one) => one?.host)).toEqual([null, null, null]);
  pool.hostUp(host('a', { domain: 'trusted team web' }), NOW);
  expect(placed(pool, ...builds).map((one) => one?.host)).toEqual(['a', null, 'a']);
  expect(pool.waiting.size).toBe(3);
  pool.hostUp(host('a', { isolation: 'repo', domain: 'trusted repo web app' }), NOW);
  expect(placed(pool, ...builds).map((one) => one?.host)).toEqual(['a', null, null]);
});

test('a domain whose builder doesn’t answer on a host sends its builds elsewhere, and no others', () => {
  const pool = new PlacementPool();
  const builds = [build('1', 'web'), build('2', 'ops')];
  pool.hostUp(host('a', { domainsAway: ['trusted team web'] }), NOW);
  for (const one of builds) pool.buildQueued(one, NOW);
  expect(placed(pool, ...builds)).toMatchObject([
    { host: null, considered: [{ host: 'a', verdict: 'domain_away' }] },
    { host: 'a' },
  ]);
});

test('a team’s build isn’t attracted by the caches of another team’s builds of the same repo', () => {
  const pool = new PlacementPool();
  const held = { warmth: 1, bytes: 100, lastUsedAt: NOW };
  for (const name of ['a', 'b']) pool.hostUp(host(name), NOW);
  pool.cachesReported('a', new Map([[build('x', 'web').repo, held]]), NOW);
  pool.cachesReported('b', new Map([[build('x', 'ops').repo, held]]), NOW);
  const builds = [build('1', 'ops'), build('2', 'web')];
  for (const one of builds) pool.buildQueued(one, NOW);
  expect(placed(pool, ...builds)).toMatchObject([
    { host: 'b', reason: 'warm' },
    { host: 'a', reason: 'warm' },
  ]);
});

test('a domain with its own part of the budget evicts only its own caches', () => {
  const budgets = { 'trusted team web': 300e9, 'trusted team ops': 100e9 };
  const view = { cacheBudgetBytes: 400e9, cacheBudgets: budgets };
  /** Returns the eviction cost of a cold run of the team on a host that holds a cache of another team. */
  const eviction = (team: string, holder: string, bytes: number) => {
    const pool = new PlacementPool();
    for (const name of ['full', 'late']) pool.hostUp(host(name, view), NOW);
    const other = build('old', holder, 'old');
    pool.buildQueued(other, NOW);
    pool.buildLeft(other.id, NOW);
    pool.cachesReported('full', new Map([[other.repo, { warmth: 1, bytes, lastUsedAt: 1 }]]), NOW);
    const own = build('new', team, 'new');
    pool.buildQueued(own, NOW);
    const considered = placed(pool, own)[0]?.considered ?? [];
    return considered.find((one) => one.host === 'full')?.extras?.eviction ?? 0;
  };
  expect(eviction('web', 'web', 300e9)).toBeGreaterThan(0);
  expect(eviction('ops', 'web', 300e9)).toBe(0);
  expect(eviction('ops', 'ops', 100e9)).toBeGreaterThan(0);
  expect(eviction('web', 'ops', 100e9)).toBe(0);
  // A new team gets its part from the others.
  expect(eviction('new', 'web', 400e9)).toBeGreaterThan(0);
});
