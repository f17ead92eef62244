import { expect, test } from 'vitest';
import type { Trust } from '../access/principal.ts';
import { cacheKey } from '../warmth/cache-owner.ts';
import type { HostView, PendingBuild } from './model/model.ts';
import { PlacementPool } from './placement-pool.ts';

const NOW = 10_000_000;

function host(name: string, trust: readonly Trust[], more: Partial<HostView> = {}): HostView {
  return { name, slots: 1, platforms: [], labels: {}, trust, cordoned: false, draining: false, ...more };
}

function build(id: string, trust: Trust, repo = 'app'): PendingBuild {
  return {
    ...{ id, repo: cacheKey({ repo, team: 'web', trust }), team: 'web', priority: 'normal' as const },
    ...{ queuedAt: NOW, createdAt: NOW, weight: 1, platforms: [], hostLabels: {}, trust, lostOn: [] },
  };
}

/** Returns the decisions of a pool with these hosts for these builds. */
function decide(
  hosts: readonly HostView[],
  builds: readonly PendingBuild[],
  prepare: (pool: PlacementPool) => void = () => {},
) {
  const pool = new PlacementPool();
  for (const view of hosts) pool.hostUp(view, NOW);
  prepare(pool);
  for (const one of builds) pool.buildQueued(one, NOW);
  const { assignments } = pool.decide(NOW, { explained: true });
  return builds.map(({ id }) => {
    const decision = assignments.find((one) => one.build === id)?.decision ?? pool.explain(id, NOW);
    return decision && { id, host: decision.host, reason: decision.reason, considered: decision.considered };
  });
}

test('a build goes to a host that takes its trust class, and waits with none_trusted or none_untrusted if there is none', () => {
  const both = [build('t', 'trusted'), build('u', 'untrusted')];
  expect(decide([host('a', ['untrusted']), host('b', ['trusted'])], both)).toMatchObject([
    { id: 't', host: 'b' },
    { id: 'u', host: 'a' },
  ]);
  expect(decide([host('a', ['trusted']), host('b', ['trusted'])], [build('u', 'untrusted')])).toMatchObject([
    {
      ...{ host: null, reason: 'none_untrusted' },
      considered: [
        { host: 'a', verdict: 'trust_missing' },
        { host: 'b', verdict: 'trust_missing' },
      ],
    },
  ]);
  expect(decide([host('a', ['untrusted'])], [build('t', 'trusted')])).toMatchObject([{ reason: 'none_trusted' }]);
  // A cordoned host takes the class, so the reason is another one.
  const cordoned = host('b', ['untrusted'], { cordoned: true });
  expect(decide([host('a', ['trusted']), cordoned], [build('u', 'untrusted')])).toMatchObject([
    { reason: 'none_fits' },
  ]);
  expect(decide([], [build('u', 'untrusted')])).toMatchObject([{ reason: 'no_host' }]);
});

test('builds aren’t attracted by the caches of the other trust class', () => {
  const hosts = [host('a', ['trusted', 'untrusted']), host('b', ['trusted', 'untrusted'])];
  const held = { warmth: 1, bytes: 100, lastUsedAt: NOW };
  const prepare = (pool: PlacementPool) => {
    pool.cachesReported('a', new Map([[build('x', 'trusted').repo, held]]), NOW);
    pool.cachesReported('b', new Map([[build('x', 'untrusted').repo, held]]), NOW);
  };
  expect(decide(hosts, [build('u', 'untrusted')], prepare)).toMatchObject([{ host: 'b', reason: 'warm' }]);
  expect(decide(hosts, [build('t', 'trusted')], prepare)).toMatchObject([{ host: 'a', reason: 'warm' }]);
});

test('a trust class evicts only its own caches when its part of the budget is full', () => {
  const budgets = { cacheBudgetBytes: 400e9, cacheBudgets: { trusted: 300e9, untrusted: 100e9 } };
  const hosts = [host('full', ['trusted', 'untrusted'], budgets), host('late', ['trusted', 'untrusted'], budgets)];
  /** Returns the eviction cost of a cold run of the class on a host that holds these caches, least recently used first. */
  const eviction = (trust: Trust, ...held: { trust: Trust; bytes: number; wanted: boolean }[]) => {
    const [decision] = decide(hosts, [build('new', trust, 'new')], (pool) => {
      const caches = held.map((one, i) => {
        const other = build(`old${i}`, one.trust, `old${i}`);
        if (one.wanted) pool.buildQueued(other, NOW);
        pool.buildLeft(other.id, NOW);
        return [other.repo, { warmth: 1, bytes: one.bytes, lastUsedAt: i }] as const;
      });
      pool.cachesReported('full', new Map(caches), NOW);
    });
    return decision?.considered.find(({ host: name }) => name === 'full')?.extras?.eviction ?? 0;
  };
  const full = (trust: Trust, wanted: boolean) => ({ trust, wanted, bytes: budgets.cacheBudgets[trust] });
  for (const [own, other] of [
    ['trusted', 'untrusted'],
    ['untrusted', 'trusted'],
  ] as const) {
    expect(eviction(own, full(own, true))).toBeGreaterThan(0);
    expect(eviction(own, full(other, true))).toBe(0);
    // The class's own unwanted cache is evicted, not the older one of the other class.
    expect(eviction(own, full(other, true), full(own, false))).toBe(0);
    // Its part has room, however much the other class holds.
    expect(eviction(own, { trust: own, wanted: true, bytes: 1e9 }, full(other, false))).toBe(0);
  }
});
