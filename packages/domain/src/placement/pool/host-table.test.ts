import { expect, test } from 'vitest';
import { FIRST_GUESS } from '../estimates/estimates.ts';
import type { HostView } from '../model/model.ts';
import { HostTable } from './host-table.ts';
import { PoolRepo } from './pool-repo.ts';

const VIEW: HostView = {
  name: 'a',
  slots: 1,
  platforms: [],
  labels: {},
  trust: ['trusted'],
  cordoned: false,
  draining: false,
};

function tableWith(bytesByRepo: Readonly<Record<string, number>>) {
  const hosts = new HostTable();
  hosts.up(VIEW);
  const host = hosts.get('a');
  if (!host) throw new Error('the host is missing');
  const caches = Object.entries(bytesByRepo).map(([name, bytes]) => {
    const repo = new PoolRepo(name, FIRST_GUESS);
    hosts.hold(host, repo, { warmth: 1, bytes, lastUsedAt: 0 });
    return { repo, get: () => host.caches.get(repo) };
  });
  return { hosts, host, caches };
}

test('leaves no remainder in the sum of cached bytes once every cache of a host is gone', () => {
  // An estimated size is a mean, and a floating-point sum of fractions drifts: (0.1 + 0.7) - 0.1 - 0.7 is not 0.
  const { hosts, host, caches } = tableWith({ b: 300_000_000.1, c: 100_000_000.7, d: 0.3 });
  for (const { get } of caches) {
    const cache = get();
    if (cache) hosts.drop(host, cache);
  }
  expect(host.caches.size).toBe(0);
  expect(host.cachedBytes.size).toBe(0);
});

test('counts a cache in whole bytes, and again when it is reported with another size', () => {
  const { hosts, host, caches } = tableWith({ b: 10.6 });
  expect(host.cachedBytes.get('trusted')).toBe(11);
  const repo = caches[0]?.repo as PoolRepo;
  hosts.hold(host, repo, { warmth: 1, bytes: 7.2, lastUsedAt: 1 });
  expect(host.cachedBytes.get('trusted')).toBe(7);
  expect(host.caches.get(repo)?.bytes).toBe(7);
});
