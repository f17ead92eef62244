import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Leadership } from '../leases/leadership.ts';
import { openState, type State } from '../open-state.ts';
import { newBuild, TestPool } from '../testing/test-pool.ts';
import { TestSentinel } from '../testing/test-sentinel.ts';
import { NotReplicated } from './replication.ts';

const secretKey = Buffer.alloc(32, 1);
let servers: TestSentinel;
let state: State;
let pool: TestPool;

beforeAll(async () => {
  servers = await TestSentinel.start();
  const options = { namespace: 'replicated', secretKey, onError: () => {} };
  state = await openState({ ...options, redisUrl: servers.url, minReplicas: 1, replicaTimeoutMs: 200 });
  pool = await TestPool.open(servers.masterUrl, 'replicated');
});
afterAll(async () => {
  await state[Symbol.asyncDispose]();
  await servers[Symbol.asyncDispose]();
});

/** The build's state on the replica. */
async function onReplica(id: string): Promise<string | undefined> {
  await using replica = await openState({
    namespace: 'replicated',
    secretKey,
    onError: () => {},
    redisUrl: servers.replicaUrl,
  });
  return (await replica.builds.get(id))?.record.state;
}

describe('with one required replica', () => {
  test('accepted and canceled builds are on the replica when the call returns', async () => {
    const { build } = await state.builds.accept(newBuild({}));
    expect(await onReplica(build.record.id)).toBe('queued');
    expect((await state.builds.cancel(build.record.id))?.outcome).toBe('canceled');
    expect(await onReplica(build.record.id)).toBe('canceled');
  });

  test('concurrent writes are confirmed together', async () => {
    const accepted = await Promise.all(Array.from({ length: 50 }, () => state.builds.accept(newBuild({}))));
    expect(new Set(accepted.map(({ build }) => build.record.id)).size).toBe(50);
    await Promise.all(accepted.map(({ build }) => state.builds.cancel(build.record.id)));
  });

  test('nothing is accepted while it is missing; builds written at that moment are canceled, or kept for their idempotency key', async () => {
    const { build: before } = await state.builds.accept(newBuild({}));
    const idempotency = { space: 'request' as const, key: 'k', fingerprint: 'f' };
    await servers.cutReplication();
    // The replica was connected a moment ago, so these are written, but not confirmed.
    const inTheMoment = await Promise.allSettled([
      state.builds.accept(newBuild({})),
      state.builds.accept({ ...newBuild({}), idempotency }),
    ]);
    for (const one of inTheMoment) expect(one).toMatchObject({ reason: { code: 'not_replicated', wanted: 1, got: 0 } });
    const written = (await pool.state.builds.list({}, { limit: 2 })).builds.map(({ record }) => record.state);
    expect(written.sort()).toEqual(['canceled', 'queued']);
    await expect(state.builds.accept(newBuild({}))).rejects.toThrow(NotReplicated);
    expect(
      (await pool.state.builds.list({}, { limit: 100 })).builds.filter(({ record }) => record.state === 'queued'),
    ).toHaveLength(2);
    await expect(state.builds.cancel(before.record.id)).rejects.toThrow(NotReplicated);
    const report = { ...(await pool.state.hosts.get('h1'))?.report };
    await expect(state.hosts.sync(report as never, { machine: 'm1', incarnation: 'i1' }, 60_000)).rejects.toThrow(
      NotReplicated,
    );
  });

  test('after a failover the new master’s state counts, and earlier fencing tokens are refused', async () => {
    const before = await new Leadership(state.redis, state.keys, 'other', 60_000).hold();
    expect(before).toBeUndefined();
    const token = await state.redis.get(state.keys.leaderFence());
    await pool[Symbol.asyncDispose]();
    await servers.killMaster();
    await state.redis.del(state.keys.leader());
    const next = await new Leadership(state.redis, state.keys, 'other', 60_000).hold();
    expect(next).not.toBe(token);
    // The new master has no replica.
    await expect(state.builds.accept(newBuild({}))).rejects.toThrow(NotReplicated);
  });
});
