import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cacheKey } from '../../warmth/cache-owner.ts';
import type { HostView, PendingBuild } from './model.ts';
import { type KnownHost, noFittingHost } from './no-fitting-host.ts';
import { ruleOut } from './requirements.ts';

const NOW = 1_000_000_000;
const GRACE_MS = 600_000;
const CONDITIONS = { now: NOW, since: NOW - 10 * GRACE_MS, graceMs: GRACE_MS };

type Needs = Parameters<typeof noFittingHost>[0];

function host(name: string, view: Partial<HostView> = {}, known: Partial<KnownHost> = {}): KnownHost {
  const plain = { name, slots: 4, platforms: ['linux/amd64'], labels: {}, trust: ['trusted'] as const };
  return { view: { ...plain, cordoned: false, draining: false, ...view }, alive: true, lastSeenAt: NOW, ...known };
}

function needs(more: Partial<PendingBuild> = {}): Needs {
  return { repo: 'app', weight: 1, platforms: [], hostLabels: {}, trust: 'trusted', ...more };
}

const reason = (build: Partial<PendingBuild>, ...hosts: KnownHost[]) => noFittingHost(needs(build), hosts, CONDITIONS);
const ARM: Partial<PendingBuild> = { platforms: ['linux/arm64'] };
const arm: Partial<HostView> = { platforms: ['linux/arm64'] };

describe('a build that no host could take is told what is missing and what there is', () => {
  test.each<[string, Partial<PendingBuild>, KnownHost[], string]>([
    ['platform', ARM, [host('b'), host('a')], 'no host builds linux/arm64; the pool has linux/amd64 on a, b'],
    [
      'platform, where hosts differ',
      { platforms: ['linux/amd64', 'linux/s390x'] },
      [host('a'), host('b', arm)],
      'no host builds linux/s390x; the pool has linux/amd64 on a and linux/arm64 on b',
    ],
    [
      'platform, where the host lists variants',
      ARM,
      [host('a', { platforms: ['linux/amd64', 'linux/amd64/v2', 'linux/386'] })],
      'no host builds linux/arm64; the pool has linux/amd64, linux/386 on a',
    ],
    [
      'variant of a platform',
      { platforms: ['linux/amd64/v4'] },
      [host('a', { platforms: ['linux/amd64', 'linux/amd64/v2'] })],
      'no host builds linux/amd64/v4; the pool has linux/amd64, linux/amd64/v2 on a',
    ],
    [
      'label with another value',
      { hostLabels: { disk: 'nvme' } },
      [host('a', { labels: { disk: 'ssd' } }), host('b')],
      'no host has the label disk=nvme; the pool has disk=ssd on a',
    ],
    ['label that no host has', { hostLabels: { gpu: '' } }, [host('a')], 'no host has the label gpu='],
    [
      'trust class',
      { trust: 'untrusted' },
      [host('a')],
      'no host takes untrusted builds; the pool has builders for trusted builds on a',
    ],
    [
      'cache mode',
      { cacheMode: 'archive' },
      [host('a', { cacheModes: ['warm', 'fresh'] })],
      'no host builds with the cache mode archive; the pool has the cache modes warm, fresh on a',
    ],
    [
      'weight',
      { weight: 8 },
      [host('a'), host('b', { slots: 1 })],
      'no host has the 8 slots that the build takes; the pool has 4 slots on a and 1 slot on b',
    ],
    [
      'isolation domain',
      { repo: cacheKey({ repo: 'app', team: 'ops' }) },
      [host('a', { isolation: 'team', domain: 'trusted team web' })],
      'no host takes trusted builds of team ops; the pool has a builder only for trusted builds of team web on a',
    ],
    [
      'two things',
      { platforms: ['linux/arm64'], weight: 8 },
      [host('a')],
      'no host builds linux/arm64; the pool has linux/amd64 on a; no host has the 8 slots that the build takes; the pool has 4 slots on a',
    ],
    [
      'nothing alone, but no host has all together',
      { platforms: ['linux/arm64'], hostLabels: { disk: 'nvme' } },
      [host('a', { labels: { disk: 'nvme' } }), host('b', arm), host('c')],
      'no host has everything that the build needs; the pool has linux/arm64 on b and the label disk=nvme on a',
    ],
    [
      'platform, in a large pool',
      ARM,
      ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => host(name)),
      'no host builds linux/arm64; the pool has linux/amd64 on a, b, c, d and 2 more',
    ],
  ])('%s', (_, build, hosts, message) => {
    expect(reason(build, ...hosts)).toBe(message);
  });
});

describe('a build waits', () => {
  test('while the pool has no host, or none that is alive', () => {
    expect(reason(ARM)).toBeUndefined();
    expect(reason(ARM, host('a', {}, { alive: false, lastSeenAt: NOW - 1 }))).toBeUndefined();
    expect(reason(ARM, host('a', {}, { alive: false, lastSeenAt: 0 }))).toBeUndefined();
  });

  test.each<[string, Partial<HostView>]>([
    ['cordoned', { cordoned: true }],
    ['draining', { draining: true }],
    ['low on disk space', { lowDisk: true }],
    ['repairing its builder', { domainsAway: ['trusted'] }],
  ])('for a host that would fit and is %s', (_, view) => {
    expect(reason(ARM, host('a'), host('b', { ...arm, ...view }))).toBeUndefined();
  });

  test('for a host that would fit and stopped reporting, until the grace period is over', () => {
    const gone = (agoMs: number) => host('b', arm, { alive: false, lastSeenAt: NOW - agoMs });
    expect(reason(ARM, host('a'), gone(GRACE_MS - 1))).toBeUndefined();
    expect(reason(ARM, host('a'), gone(GRACE_MS))).toBe(
      'no host builds linux/arm64; the pool has linux/amd64 on a; lost hosts that would fit: b',
    );
  });

  test('for such a host from when the leader began to lead, because earlier there may have been no leader', () => {
    const gone = host('b', arm, { alive: false, lastSeenAt: 0 });
    const verdict = (since: number) => noFittingHost(needs(ARM), [host('a'), gone], { ...CONDITIONS, since });
    expect(verdict(NOW - GRACE_MS + 1)).toBeUndefined();
    expect(verdict(NOW - GRACE_MS)).toMatch('no host builds linux/arm64');
  });
});

test('a build is given up if and only if every host is ruled out by something that lasts', () => {
  const view = fc.record({
    slots: fc.constantFrom(1, 4),
    platforms: fc.subarray(['linux/amd64', 'linux/arm64']),
    labels: fc.constantFrom<HostView['labels']>({}, { disk: 'nvme' }, { disk: 'ssd' }),
    trust: fc.constantFrom<HostView['trust']>(['trusted'], ['trusted', 'untrusted']),
    cacheModes: fc.constantFrom<HostView['cacheModes']>(undefined, ['warm', 'archive']),
    isolation: fc.constantFrom('pool' as const, 'team' as const, 'repo' as const),
    domain: fc.constantFrom(undefined, undefined, 'trusted team web', 'trusted repo web app', 'trusted'),
    domainsAway: fc.constantFrom(undefined, ['trusted team web']),
    cordoned: fc.boolean(),
    draining: fc.boolean(),
    lowDisk: fc.boolean(),
  });
  const build = fc.record({
    repo: fc.constantFrom('app', cacheKey({ repo: 'app', team: 'web' }), cacheKey({ repo: 'site', team: 'web' })),
    weight: fc.constantFrom(1, 2, 8),
    platforms: fc.subarray(['linux/amd64', 'linux/arm64']),
    hostLabels: fc.constantFrom<Needs['hostLabels']>({}, { disk: 'nvme' }),
    trust: fc.constantFrom('trusted' as const, 'untrusted' as const),
    cacheMode: fc.constantFrom(undefined, 'warm' as const, 'archive' as const),
  });
  const passing = { cordoned: false, draining: false, lowDisk: false, domainsAway: undefined };
  fc.assert(
    fc.property(build, fc.array(view, { minLength: 1, maxLength: 4 }), (one, views) => {
      const hosts = views.map((each, i) => host(`h${i}`, each));
      const fits = hosts.some(
        ({ view: each }) => ruleOut({ ...one, lostOn: [] }, { ...each, ...passing }) === undefined,
      );
      expect(noFittingHost(one, hosts, CONDITIONS) === undefined).toBe(fits);
    }),
    { numRuns: 1_000 },
  );
});
