import { expect, test } from 'vitest';
import { requirementsKey, ruleOut } from './requirements.ts';
import type { HostView } from './words.ts';

const needs = {
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
  [{ platforms: ['linux/amd64'] }, 'platform_missing'],
  [{ labels: { disk: 'nvme' } }, 'label_missing'],
  [{ labels: { disk: 'nvme', zone: 'b' } }, 'label_missing'],
  [{ trust: ['untrusted'] }, 'trust_missing'],
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
  for (const other of [
    { weight: 1 },
    { platforms: ['linux/amd64'] },
    { hostLabels: { disk: 'nvme', zone: 'b' } },
    { trust: 'untrusted' },
    { lostOn: [] },
  ] as const) {
    expect(requirementsKey({ ...needs, ...other })).not.toBe(key);
  }
});
