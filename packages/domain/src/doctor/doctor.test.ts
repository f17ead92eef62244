import { describe, expect, test } from 'vitest';
import { type Check, checkClock, checkDisk, checkExpiry } from './check.ts';
import { checkHosts, type HostFacts } from './check-hosts.ts';
import { checkRedis, type RedisFacts } from './check-redis.ts';

const GOOD: RedisFacts = {
  ...{ version: '7.2.4', maxmemoryPolicy: 'noeviction', maxmemoryBytes: 1e9, usedBytes: 1e8 },
  ...{ appendOnly: 'yes', appendFsync: 'everysec', save: '', lastWriteOk: true, roundTripMs: 1, replicaProblems: [] },
};

const HOST: HostFacts = {
  ...{ name: 'a', alive: true, cordoned: false, accepting: true, hasLowDisk: false, buildersAway: 0 },
  ...{ engineVersion: '26.1.5', buildxVersion: 'v0.13.1', buildkitVersion: 'v0.26.1' },
  disk: { freeBytes: 50e9, totalBytes: 100e9 },
};

/** The checks that aren't ok, as `<status> <area> <subject>`. */
function faults(checks: readonly Check[]): string[] {
  return checks.filter(({ status }) => status !== 'ok').map((one) => `${one.status} ${one.area} ${one.subject}`);
}

test('everything that is not ok comes with advice, and nothing else does', () => {
  const bad = { ...GOOD, version: '6.2.0', maxmemoryPolicy: 'allkeys-lru', appendOnly: 'no', lastWriteOk: false };
  for (const { status, advice } of [...checkRedis(bad), ...checkRedis(GOOD), ...checkHosts([HOST])]) {
    expect(advice !== undefined).toBe(status !== 'ok');
  }
});

describe('Redis', () => {
  test('passes with the settings of docs/operate/redis.md', () => {
    expect(faults(checkRedis(GOOD))).toEqual([]);
  });

  test.for<[Partial<RedisFacts>, string]>([
    [{ version: '6.2.14' }, 'problem redis version'],
    [{ maxmemoryPolicy: 'allkeys-lru' }, 'problem redis maxmemory-policy'],
    [{ appendOnly: 'no', save: '3600 1' }, 'problem redis appendonly'],
    [{ appendFsync: 'no' }, 'warning redis appendonly'],
    [{ lastWriteOk: false }, 'problem redis aof_last_write_status'],
    [{ maxmemoryBytes: 0 }, 'warning redis maxmemory'],
    [{ usedBytes: 8e8 }, 'warning redis maxmemory'],
    [{ roundTripMs: 80 }, 'warning redis latency'],
    [{ replicaProblems: ['0 replicas are connected'] }, 'problem redis replication'],
    [{ maxmemoryPolicy: undefined }, 'unknown redis maxmemory-policy'],
    [{ version: undefined }, 'unknown redis version'],
  ])('with %o is a %s', ([change, fault]) => {
    expect(faults(checkRedis({ ...GOOD, ...change }))).toEqual([fault]);
  });
});

describe('hosts', () => {
  test('pass if they report, take builds and have the versions and the disk that Kiln needs', () => {
    expect(faults(checkHosts([HOST]))).toEqual([]);
  });

  test.for<[Partial<HostFacts>, string[]]>([
    [{ alive: false }, ['problem host pool', 'problem host a']],
    [{ cordoned: true }, ['problem host pool']],
    [{ hasLowDisk: true }, ['problem host pool', 'problem disk a']],
    [{ disk: { freeBytes: 2e9, totalBytes: 100e9 } }, ['problem disk a']],
    [{ disk: { freeBytes: 8e9, totalBytes: 100e9 } }, ['warning disk a']],
    [{ buildxVersion: 'v0.12.5' }, ['problem engine a']],
    [{ engineVersion: '20.10.24' }, ['warning engine a']],
    [{ engineVersion: 'dev' }, ['unknown engine a']],
    [{ buildersAway: 1 }, ['warning host a']],
  ])('with %o have the faults %o', ([change, expected]) => {
    expect(faults(checkHosts([{ ...HOST, ...change }]))).toEqual(expected);
  });

  test('with different BuildKits are a warning that names them', () => {
    const checks = checkHosts([HOST, { ...HOST, name: 'b', buildkitVersion: 'v0.12.5' }]);
    expect(faults(checks)).toEqual(['warning engine BuildKit']);
    expect(checks.at(-1)?.found).toContain('v0.26.1 (a); v0.12.5 (b)');
  });
});

test.for([
  [1_900, 0, 'ok', 'agrees with Redis'],
  [2_500, 1_000, 'ok', 'agrees with Redis'],
  [2_500, 0, 'warning', '2.5 s ahead of Redis'],
  [-40_000, 0, 'problem', '40.0 s behind Redis'],
] as const)('a clock that is %i ms off, known to %i ms, is %s', ([offsetMs, errorMs, status, found]) => {
  expect(checkClock('a', offsetMs, errorMs, 'Redis')).toMatchObject({ status, found });
});

test.for([
  ['2026-03-01', 'ok', 'valid until 2026-03-01'],
  ['2026-01-10', 'warning', 'expires on 2026-01-10, in 8 days'],
  ['2026-01-01', 'problem', 'expired on 2026-01-01'],
] as const)('on 2 January a certificate until %s is %s', ([ends, status, found]) => {
  expect(checkExpiry('ca', Date.parse(ends), Date.parse('2026-01-02'))).toMatchObject({ status, found });
});

test('an empty file system, as of a device that tells no size, is not full', () => {
  expect(checkDisk('a', 0, 0).status).toBe('ok');
});
