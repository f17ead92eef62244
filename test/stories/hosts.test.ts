import { afterAll, beforeAll, describe } from 'vitest';
import { startHosts, type TestHosts } from '../support/hosts.ts';
import { sharedPool } from '../support/pool/start-pool.ts';
import { lostHostStories } from './hosts/lost-hosts.ts';
import { randomFaultStories } from './hosts/random-faults.ts';
import { snapshotStories } from './hosts/snapshots.ts';
import { warmPlacementStories } from './hosts/warm-placement.ts';

/** Three engines, five more processes and two cores. */
const PATIENCE_MS = 300_000;

// These stories are in one file because they share the hosts: each engine takes seconds to start and to load its images.
let hosts: TestHosts;
beforeAll(async () => {
  hosts = await startHosts('a', 'b', 'c');
}, PATIENCE_MS);
afterAll(() => hosts?.[Symbol.asyncDispose](), PATIENCE_MS);

describe('a pool of hosts with their own engines', { timeout: PATIENCE_MS }, () => {
  const options = () => ({
    ...{ hosts, slots: 1, leaseTtlMs: 8_000, fenceMarginMs: 4_000 },
    // A story waits until a worker finds that its cache mounts were evicted, which no build tells it.
    env: { worker: { KILN_INVENTORY_EVERY_MS: '5000' } },
  });
  const pool = sharedPool(options, PATIENCE_MS);
  const lab = { hosts: () => hosts, pool };
  // First, because its placements depend on what the pool has learned from earlier builds.
  describe('with warm caches', () => warmPlacementStories(lab));
  describe('with snapshots of caches', () => snapshotStories(lab));
  describe('with failing hosts', () => lostHostStories(lab));
});

describe('under random faults', { timeout: 3 * PATIENCE_MS }, () => randomFaultStories({ hosts: () => hosts }));
