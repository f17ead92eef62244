import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PlacementDecision } from './model/decision.ts';
import { emulationsFor, ruleOut } from './model/requirements.ts';
import type { PoolRepo } from './pool/pool-repo.ts';
import { type HostChange, Life, type LifeEvent } from './testing/life.ts';

const REPOS = ['a', 'team web b', 'team web c', 'untrusted web d'] as const;
const hostChange: fc.Arbitrary<HostChange> = fc.record({
  slots: fc.constantFrom(0, 1, 2, 3, 4),
  platforms: fc.constantFrom(['linux/amd64'], ['linux/arm64'], ['linux/amd64', 'linux/arm64']),
  emulated: fc.constantFrom<HostChange['emulated']>(undefined, ['linux/arm64']),
  labels: fc.constantFrom<HostChange['labels']>({}, { disk: 'nvme' }),
  trust: fc.constantFrom<HostChange['trust']>(['trusted'], ['trusted', 'untrusted']),
  cordoned: fc.constantFrom(false, false, false, true),
  draining: fc.constantFrom(false, false, false, true),
  cacheBudgetBytes: fc.constantFrom(undefined, 0, 40, 100),
  isolation: fc.constantFrom(undefined, 'team', 'repo'),
  domain: fc.constantFrom(undefined, undefined, 'trusted team web', 'trusted repo web b'),
  domainsAway: fc.constantFrom(undefined, undefined, ['trusted team default', 'trusted repo default a']),
});
const index = fc.nat(1_000);
const event: fc.Arbitrary<LifeEvent> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('submit' as const),
      repo: fc.constantFrom(...REPOS),
      team: fc.constantFrom('x', 'y'),
      priority: fc.constantFrom('interactive' as const, 'normal' as const, 'batch' as const),
      weight: fc.constantFrom(1, 1, 1, 2, 3),
      platforms: fc.constantFrom([], ['linux/arm64']),
      hostLabels: fc.constantFrom<Record<string, string>>({}, {}, { disk: 'nvme' }),
      trust: fc.constantFrom('trusted' as const, 'trusted' as const, 'untrusted' as const),
      cacheVersion: fc.constantFrom(undefined, '1', '2'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('host' as const), host: fc.nat(2), change: hostChange }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('lose' as const), host: fc.nat(2) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('end' as const),
      index,
      runMs: fc.constantFrom(undefined, 0, 1, 5_000, 3_600_000),
      bytes: fc.constantFrom(undefined, 0, 30),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('cancel' as const), index }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('report' as const),
      host: fc.nat(2),
      caches: fc.dictionary(
        fc.constantFrom(...REPOS),
        fc.record({ warmth: fc.constantFrom(0, 0.3, 0.8, 1), bytes: fc.nat(50), lastUsedAt: fc.nat(1_000) }),
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('seen' as const), index, warmth: fc.constantFrom(0, 0.5, 1) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(0, 500, 20_000, 7_200_000) }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('decide' as const), refuse: fc.constantFrom(0, 0, 0, 0.5) }) },
);
const events = fc.array(event, { minLength: 10, maxLength: 60, size: 'max' });

test('never gives a host more than it has room for, nor a build that doesn’t fit', () => {
  fc.assert(
    fc.property(events, (happening) => {
      const life = new Life();
      for (const one of happening) {
        for (const { build, host } of life.happen(one)) {
          const view = life.hosts.get(host);
          const ruledOut = view && ruleOut(build, view);
          expect(view && (ruledOut ?? 'fits')).toBe(build.lostOn.includes(host) ? 'lost_it_before' : 'fits');
          // A host that lost the build before is used only if no other fits.
          if (ruledOut) for (const other of life.hosts.values()) expect(ruleOut(build, other)).toBeDefined();
          // Nor is one that emulates if another fits that emulates less.
          for (const other of life.hosts.values())
            if (view && ruleOut(build, other) === ruledOut)
              expect(emulationsFor(build, view)).toBeLessThanOrEqual(emulationsFor(build, other));
        }
        for (const [name, { slots }] of life.hosts) {
          if (one.type === 'decide')
            expect(life.given(name)).toBeLessThanOrEqual(Math.max(slots, life.usedBefore(name)));
        }
      }
    }),
  );
});

test('makes the same decisions from the same events', () => {
  fc.assert(
    fc.property(events, (happening) => {
      const run = () => {
        const life = new Life();
        return happening.map((one) => life.happen(one).map(({ build, host, decision }) => [build.id, host, decision]));
      };
      expect(run()).toEqual(run());
    }),
    { numRuns: 60 },
  );
});

test('keeps its sums equal to a recount', () => {
  fc.assert(
    fc.property(events, (happening) => {
      const life = new Life();
      for (const one of happening) {
        life.happen(one);
        expect(sums(life)).toEqual(recounted(life));
      }
    }),
  );
});

test('gives only finite numbers in decisions', () => {
  fc.assert(
    fc.property(events, (happening) => {
      const life = new Life();
      for (const one of happening) {
        const decided = life.happen(one).map(({ decision }) => decision);
        const waiting = one.type === 'decide' ? life.waiting().map((id) => life.pool.explain(id, life.now)) : [];
        if (one.type === 'decide' && one.refuse === 0) for (const each of waiting) expect(each?.host).toBeNull();
        for (const decision of [...decided, ...waiting]) {
          expect(decision).toBeDefined();
          expectNumbers(decision);
          checkDecision(decision as PlacementDecision);
        }
      }
    }),
  );
});

test('places every build in the end, when no more events arrive', () => {
  fc.assert(
    fc.property(events, (happening) => {
      const life = new Life();
      for (const one of happening) life.happen(one);
      const fits = {
        platforms: ['linux/amd64', 'linux/arm64'],
        labels: { disk: 'nvme' },
        trust: ['trusted', 'untrusted'],
      } as const;
      life.happen({ type: 'host', host: 9, change: { ...fits, slots: 4, cordoned: false, draining: false } });
      // Waiting for a warm host may take some rounds, and the last host may run one build per round.
      for (let rounds = 0; life.waiting().length > 0; rounds++) {
        expect(rounds).toBeLessThan(200);
        life.happen({ type: 'decide', refuse: 0 });
        life.happen({ type: 'wait', ms: 60_000 });
        for (let running = life.running(); running > 0; running--) {
          life.happen({ type: 'end', index: 0, runMs: 60_000, bytes: 10 });
        }
      }
    }),
  );
});

function checkDecision({ host, considered, reason, predicted }: PlacementDecision): void {
  const chosen = considered.filter(({ verdict }) => verdict === 'chosen');
  expect(chosen.map((one) => one.host)).toEqual(host === null ? [] : [host]);
  const waits = [
    'waits_for_warm',
    'all_full',
    'no_host',
    'none_fits',
    'none_trusted',
    'none_untrusted',
    'none_of_domain',
  ];
  expect(waits.includes(reason)).toBe(host === null);
  if (host !== null) expect(predicted).toEqual(chosen[0]?.predicted);
}

function expectNumbers(value: unknown): void {
  if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
  else if (value && typeof value === 'object') for (const part of Object.values(value)) expectNumbers(part);
}

function reposOf({ pool }: Life): Set<PoolRepo> {
  const repos = new Set<PoolRepo>();
  for (const host of pool.hosts.all.values()) for (const repo of host.caches.keys()) repos.add(repo);
  for (const { repo } of pool.waiting.groups) repos.add(repo);
  return repos;
}

/** Returns the sums that the pool maintains. */
function sums(life: Life) {
  const { hosts, waiting } = life.pool;
  return {
    freeSlots: hosts.freeSlots,
    openSlots: hosts.openSlots,
    free: new Set([...hosts.free].map(({ view }) => view.name)),
    queuedSlots: waiting.queuedSlots,
    waiting: waiting.size,
    hosts: [...hosts.all.values()].map(({ view, usedSlots, cachedBytes, wanted }) => ({
      name: view.name,
      usedSlots,
      cachedBytes,
      wanted,
    })),
    repos: [...reposOf(life)].map((repo) => ({
      name: repo.name,
      queued: repo.queued,
      openHolders: repo.openHolders,
      openHolderSlots: repo.openHolderSlots,
      holders: new Set([...hosts.holders(repo).keys()].map(({ view }) => view.name)),
    })),
  };
}

/** Returns the same, counted from scratch. */
function recounted(life: Life): ReturnType<typeof sums> {
  const all = [...life.pool.hosts.all.values()];
  const groups = [...life.pool.waiting.groups];
  const builds = groups.flatMap((group) => group.builds.map(({ weight }) => ({ repo: group.repo, weight })));
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
  const queued = (repo: PoolRepo) => total(builds.filter((one) => one.repo === repo).map(({ weight }) => weight));
  const cached = (host: (typeof all)[number]) => {
    const byDomain = Map.groupBy(host.caches.values(), ({ repo }) => repo.domain(host.view.isolation ?? 'pool'));
    const sums = [...byDomain].map(([domain, caches]) => [domain, total(caches.map(({ bytes }) => bytes))] as const);
    return new Map(sums.filter(([, bytes]) => bytes > 0));
  };
  const used = (host: (typeof all)[number]) => total([...host.running.values()].map(({ weight }) => weight));
  const open = all.filter(({ view }) => !view.cordoned && !view.draining);
  const freeOf = (host: (typeof all)[number]) => Math.max(0, host.view.slots - used(host));
  return {
    freeSlots: total(open.map(freeOf)),
    openSlots: total(open.map(({ view }) => view.slots)),
    free: new Set(open.filter((host) => freeOf(host) > 0).map(({ view }) => view.name)),
    queuedSlots: total(builds.map(({ weight }) => weight)),
    waiting: builds.length,
    hosts: all.map((host) => ({
      name: host.view.name,
      usedSlots: used(host),
      cachedBytes: cached(host),
      wanted: total([...host.caches.keys()].map(queued)),
    })),
    repos: [...reposOf(life)].map((repo) => {
      const holders = all.filter(({ caches }) => caches.has(repo));
      const openHolders = holders.filter((host) => open.includes(host));
      return {
        name: repo.name,
        queued: queued(repo),
        openHolders: openHolders.length,
        openHolderSlots: total(openHolders.map(({ view }) => view.slots)),
        holders: new Set(holders.map(({ view }) => view.name)),
      };
    }),
  };
}
