import type { PoolEvent } from '@kiln/contracts';
import { describe, expect, test } from 'vitest';
import { pendingBuild } from '../builds/pending-store.ts';
import { Leadership } from '../leases/leadership.ts';
import { eachTestPool } from '../testing/each-pool.ts';
import { newBuild, type TestPool } from '../testing/test-pool.ts';
import { RequestRates } from './request-rates.ts';

let pool: TestPool;
eachTestPool('limits', (opened) => {
  pool = opened;
});

const DEFAULT = { kind: 'team', name: 'default' } as const;
const ALICE = { kind: 'token', name: 'alice' } as const;
const usage = (subject: typeof DEFAULT | typeof ALICE = DEFAULT) => pool.state.limits.usage(subject);

describe('queued builds', () => {
  const submit = (request: object, maxQueued: { team?: number; token?: number }) =>
    pool.state.builds.accept({ ...newBuild(request), submitter: 'alice', maxQueued });

  test('are limited by team and by submitter; repeating an idempotency key adds none', async () => {
    const idempotency = { space: 'request' as const, key: 'k', fingerprint: 'f' };
    await pool.state.builds.accept({ ...newBuild({}), submitter: 'alice', maxQueued: { team: 2 }, idempotency });
    const { build } = await submit({}, { team: 2 });
    await expect(submit({}, { team: 2 })).rejects.toMatchObject({ code: 'queue_full', whose: 'team', limit: 2 });
    await expect(submit({}, { token: 2 })).rejects.toMatchObject({ code: 'queue_full', whose: 'token', limit: 2 });
    expect(await usage()).toEqual({ running: 0, queued: 2 });
    const again = pool.state.builds.accept({
      ...newBuild({}),
      submitter: 'alice',
      maxQueued: { team: 2 },
      idempotency,
    });
    expect(await again).toMatchObject({ replayed: true });
    await pool.state.builds.cancel(build.record.id);
    await submit({}, { team: 2, token: 2 });
    expect((await pool.state.builds.list({}, { limit: 10 })).builds).toHaveLength(3);
  });

  test('make room for a build that supersedes them, and need none if they share a run', async () => {
    const key = { concurrencyKey: 'pr-1', supersede: 'queued' };
    await submit(key, { team: 1 });
    await submit(key, { team: 1 });
    await expect(submit({ ...key, concurrencyKey: 'pr-2' }, { team: 1 })).rejects.toMatchObject({ code: 'queue_full' });
    expect(await usage()).toEqual({ running: 0, queued: 1 });
    await submit({ dedupe: true }, { team: 2 });
    const { build } = await submit({ dedupe: true }, { team: 2 });
    expect(build.record.sharedRun).toBeDefined();
    expect(await usage()).toEqual({ running: 0, queued: 2 });
  });
});

describe('concurrent builds', () => {
  test('are counted from assignment to end, also across the loss of a host', async () => {
    const { record } = (await pool.state.builds.accept({ ...newBuild({}), submitter: 'alice' })).build;
    const both = async () => [await usage(), await usage(ALICE)];
    const twice = (one: object) => [one, one];
    expect(await both()).toEqual(twice({ running: 0, queued: 1 }));
    const first = await pool.run(record.id);
    expect(await both()).toEqual(twice({ running: 1, queued: 0 }));
    await pool.lose(first);
    expect(await both()).toEqual(twice({ running: 0, queued: 1 }));
    await pool.settle(await pool.run(record.id), { end: 'succeeded' });
    expect(await both()).toEqual(twice({ running: 0, queued: 0 }));
  });

  test('can’t exceed a limit even if the leader’s view is outdated', async () => {
    const token = (await new Leadership(pool.state.redis, pool.state.keys, 'test', 60_000).hold()) ?? '';
    const assign = async (limits: { team?: number; token?: number }) => {
      const { build } = await pool.state.builds.accept({ ...newBuild({}), submitter: 'alice' });
      const decision = { build: build.record.id, host: 'h1', reason: 'cold', decidedAt: 0, considered: [] } as const;
      const host = { name: 'h1', incarnation: 'i1', slots: 100 };
      return (await pool.state.pending.assign(pendingBuild(build), host, decision, token, limits)).outcome;
    };
    expect(await assign({ team: 1 })).toBe('assigned');
    expect(await assign({ team: 1 })).toBe('team_limit');
    expect(await assign({ team: 2, token: 1 })).toBe('token_limit');
    expect(await assign({ team: 2, token: 2 })).toBe('assigned');
    expect(await assign({})).toBe('assigned');
    expect(await usage()).toEqual({ running: 3, queued: 2 });
  });
});

test('limits are set, unset, announced, and removed with their token', async () => {
  const { limits, events, tokens } = pool.state;
  const heard: PoolEvent[] = [];
  using _ = events.subscribe((event) => heard.push(event));
  expect(await limits.change(DEFAULT, { queuedBuilds: 5, registries: [] })).toEqual({
    queuedBuilds: 5,
    registries: [],
  });
  expect(await limits.change(DEFAULT, { queuedBuilds: null, logBytes: 'unlimited' })).toEqual({
    registries: [],
    logBytes: 'unlimited',
  });
  const { id } = await tokens.create('t', {
    ...{ kind: 'api', name: 'x', team: 'web', scopes: [], trust: 'trusted', createdBy: 'test' },
  });
  await limits.change({ kind: 'token', name: id }, { requestsPerMinute: 1 });
  expect([...(await limits.all()).keys()].sort()).toEqual(['team:default', `token:${id}`]);
  await tokens.revoke(id);
  expect(await limits.change(DEFAULT, { registries: null, logBytes: null })).toEqual({});
  expect(await limits.all()).toEqual(new Map());
  await expect.poll(() => heard.filter(({ type }) => type === 'limits').length).toBe(4);
});

test('requests are counted across all processes, and a changed limit continues with the count', async () => {
  const { redis: connection, keys, rates } = pool.state;
  const other = new RequestRates(connection, keys);
  expect(await rates.take(DEFAULT, 3)).toMatchObject({ allowed: true, remaining: 2 });
  expect(await other.take(DEFAULT, 3)).toMatchObject({ allowed: true, remaining: 1 });
  expect(await rates.take(ALICE, 3)).toMatchObject({ allowed: true, remaining: 2 });
  expect(await rates.take(DEFAULT, 3)).toMatchObject({ allowed: true, remaining: 0 });
  const refused = await other.take(DEFAULT, 3);
  expect(refused).toMatchObject({ allowed: false, remaining: 0 });
  expect(refused.resetMs).toBeGreaterThan(50_000);
  expect(refused.resetMs).toBeLessThanOrEqual(60_000);
  expect(await rates.take(DEFAULT, 10)).toMatchObject({ allowed: true, remaining: 5 });
  expect(await rates.take(DEFAULT, 0)).toMatchObject({ allowed: false });
  const [key = ''] = await connection.keys(`${keys.prefix}rate:team*`);
  expect(await connection.pttl(key)).toBeGreaterThan(0);
});
