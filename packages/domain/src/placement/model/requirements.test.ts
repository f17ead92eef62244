import { expect, test } from 'vitest';
import { placementKey } from '../../caches/cache-mode.ts';
import type { HostView } from './model.ts';
import { requirementsKey, ruleOut } from './requirements.ts';

const needs = {
  repo: 'team web app',
  weight: 2,
  platforms: ['linux/amd64', 'linux/arm64'],
  hostLabels: { disk: 'nvme', zone: 'a' },
  trust: 'trusted',
  lostOn: ['h9'],
} as const;
const host: HostView = {
  name: 'h1',
  slots: 2,
  platforms: ['linux/amd64', 'linux/arm64', 'linux/386'],
  labels: { disk: 'nvme', zone: 'a', more: 'x' },
  trust: ['trusted', 'untrusted'],
  cordoned: false,
  draining: false,
};

test.each([
  [{}, undefined],
  [{ draining: true }, 'draining'],
  [{ cordoned: true }, 'cordoned'],
  [{ lowDisk: true }, 'low_disk'],
  [{ lowDisk: true, cordoned: true }, 'cordoned'],
  [{ platforms: ['linux/amd64'] }, 'platform_missing'],
  [{ labels: { disk: 'nvme' } }, 'label_missing'],
  [{ labels: { disk: 'nvme', zone: 'b' } }, 'label_missing'],
  [{ trust: ['untrusted'] }, 'trust_missing'],
  [{ cacheModes: ['warm', 'fresh'] }, undefined],
  [{ cacheModes: ['registry'] }, 'mode_missing'],
  [{ isolation: 'team', domain: 'trusted team web' }, undefined],
  [{ isolation: 'team', domain: 'trusted team ops' }, 'other_domain'],
  [{ isolation: 'team', domain: 'untrusted team web' }, 'other_domain'],
  [{ isolation: 'repo', domain: 'trusted repo web app' }, undefined],
  [{ isolation: 'repo', domain: 'trusted repo web site' }, 'other_domain'],
  [{ domain: 'trusted' }, undefined],
  [{ isolation: 'team', domainsAway: ['trusted team ops'] }, undefined],
  [{ isolation: 'team', domainsAway: ['trusted team web'] }, 'domain_away'],
  [{ slots: 1 }, 'too_small'],
  [{ name: 'h9' }, 'lost_it_before'],
  [{ name: 'h9', cordoned: true }, 'cordoned'],
] as const)('with %o a host is: %s', (change, expected) => {
  expect(ruleOut(needs, { ...host, ...change })).toBe(expected);
});

test('builds that fit the same hosts have the same key, in whatever order they name things', () => {
  const key = requirementsKey(needs);
  const turned = { ...needs, platforms: ['linux/arm64', 'linux/amd64'], hostLabels: { zone: 'a', disk: 'nvme' } };
  expect(requirementsKey(turned)).toBe(key);
  // Whose they are counts only as far as hosts tell them apart by it.
  for (const [told, same, differ] of [
    ['pool', ['team web app', 'team web site', 'team ops app'], []],
    ['team', ['team web app', 'team web site'], ['team ops app', 'app']],
    ['repo', ['team web app'], ['team web site', 'team ops app']],
  ] as const) {
    const own = requirementsKey(needs, told);
    for (const repo of same) expect(requirementsKey({ ...needs, repo }, told)).toBe(own);
    for (const repo of differ) expect(requirementsKey({ ...needs, repo }, told)).not.toBe(own);
  }
  for (const other of [
    { weight: 1 },
    { platforms: ['linux/amd64'] },
    { hostLabels: { disk: 'nvme', zone: 'b' } },
    { trust: 'untrusted' },
    { lostOn: [] },
    { cacheMode: 'registry' },
  ] as const) {
    expect(requirementsKey({ ...needs, ...other })).not.toBe(key);
  }
});

test('a build of a cache mode goes only to hosts that can build with it, which older workers can’t', () => {
  for (const cacheMode of ['registry', 'archive', 'fresh'] as const) {
    expect(ruleOut({ ...needs, cacheMode }, host)).toBe('mode_missing');
    expect(ruleOut({ ...needs, cacheMode }, { ...host, cacheModes: [cacheMode] })).toBeUndefined();
  }
});

test('the cache mode in a placement key doesn’t change whose build it is', () => {
  const own = { isolation: 'repo', domain: 'trusted repo web app', cacheModes: ['archive'] } as const;
  const archived = { ...needs, repo: placementKey('team web app', 'archive'), cacheMode: 'archive' } as const;
  expect(ruleOut(archived, { ...host, ...own })).toBeUndefined();
  expect(ruleOut({ ...archived, repo: placementKey('team web site', 'archive') }, { ...host, ...own })).toBe(
    'other_domain',
  );
});
