import type { HostInfoView } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { cacheUse, diskUse, hostNote, labelWords, poolNumbers } from './host-words.ts';

const NOW = Date.parse('2030-01-01T00:00:00Z');

function host(changes: Partial<HostInfoView> = {}): HostInfoView {
  return {
    ...{ name: 'h1', state: 'ready', slots: 4, usedSlots: 1, labels: {}, platforms: ['linux/amd64'], builds: [] },
    ...{
      driver: 'docker',
      trust: ['trusted'],
      isolation: 'pool',
      oneDomain: false,
      engineVersion: '28',
      buildxVersion: '0.2',
    },
    lastSeenAt: '2030-01-01T00:00:00Z',
    ...changes,
  };
}

test('says what keeps a host from taking builds', () => {
  expect(hostNote(host(), NOW)).toBe('');
  expect(hostNote(host({ conditions: ['low_disk'], domainsAway: ['trusted'] }), NOW)).toBe('low disk, 1 builder away');
  expect(hostNote(host({ state: 'lost', conditions: ['low_disk'] }), NOW)).toBe('');
});

test.each([
  ['2030-01-01T00:02:30Z', '3 min left'],
  ['2030-01-01T00:00:30Z', 'less than a minute left'],
  ['2029-12-31T23:59:59Z', 'deadline passed'],
])('says how long a drain until %s lasts', (deadline, expected) => {
  const drain = { since: '2029-12-31T23:00:00Z', deadline };
  expect(hostNote(host({ state: 'draining', drain }), NOW)).toBe(expected);
  expect(hostNote(host({ state: 'drained', drain: { ...drain, caches: 'moving' } }), NOW)).toBe(
    'copying its caches to other hosts',
  );
});

test('counts the slots of hosts that take builds, and all that are used', () => {
  const hosts = [host(), host({ state: 'cordoned', usedSlots: 2 }), host({ conditions: ['low_disk'], usedSlots: 0 })];
  expect(poolNumbers(hosts)).toEqual({ ready: 1, slots: 4, usedSlots: 3 });
});

test('compares the disk with its size, and caches with their budget', () => {
  expect(diskUse(host())).toBeUndefined();
  const disk = { totalBytes: 4e9, freeBytes: 1e9 };
  expect(diskUse(host({ disk }))).toEqual({
    used: 3e9,
    total: 4e9,
    words: expect.stringMatching(/^1.*B of 4.*B free$/),
  });
  const caches = { readAt: '2030-01-01T00:00:00Z', usedBytes: 2e9, mounts: 1, warmRepos: 1, sizesAreFloors: true };
  expect(cacheUse(host())).toBeUndefined();
  expect(cacheUse(host({ caches }))).toMatchObject({ used: 2e9, total: undefined });
  expect(cacheUse(host({ caches, cacheBudgetBytes: 4e9 }))?.words).toMatch(/^at least 2.*B of 4.*B$/);
});

test('writes labels as they are set', () => {
  expect(labelWords(host({ labels: { gpu: '', disk: 'nvme' } }))).toEqual(['disk=nvme', 'gpu']);
});
