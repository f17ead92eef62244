import { type HostState, Leadership } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { describe, expect, test, vi } from 'vitest';
import { Settling } from './settling.ts';
import { PATIENCE, SchedulerPool } from './testing/scheduler-pool.ts';

describe('after Redis was replaced', () => {
  const host = (name: string, more: Partial<HostState>) =>
    [name, { report: { name }, left: false, leaseTtlMs: 5_000, ...more } as HostState] as const;
  const hosts = (...all: (readonly [string, HostState])[]) => new Map(all);
  /** A leader that knew server r1 with the hosts `before`, and sees at 1000 that r2 has answered for 200 ms. */
  function replaced(before = hosts()): Settling {
    const settling = new Settling();
    settling.note({ id: 'r1' }, hosts(), 0);
    expect(settling.note({ id: 'r2', changedAgoMs: 200 }, before, 1_000)).toBe(true);
    expect(settling.note({ id: 'r2', changedAgoMs: 300 }, before, 1_100)).toBe(false);
    return settling;
  }

  test('nothing is placed until every host has reported to the new server', () => {
    const settling = replaced();
    expect(settling.isOver(hosts(host('a', { serverRun: 'r2' }), host('b', { serverRun: 'r1' })), 1_100)).toBe(false);
    expect(settling.isOver(hosts(host('a', { serverRun: 'r2' }), host('b', { serverRun: 'r2' })), 1_200)).toBe(true);
  });

  test('a silent host is waited for until its old lease has surely ended', () => {
    const settling = replaced();
    const known = hosts(host('a', { serverRun: 'r1' }), host('gone', { serverRun: 'r1', left: true }));
    expect(settling.isOver(known, 5_799)).toBe(false);
    expect(settling.isSettled(known.get('a'), 5_799)).toBe(false);
    expect(settling.isOver(known, 5_800)).toBe(true);
  });

  test('a host that Redis has lost is waited for as well, if this leader knew it', () => {
    const settling = replaced(hosts(host('lost', { serverRun: 'r1', leaseTtlMs: 9_000 })));
    expect(settling.isOver(hosts(), 9_799)).toBe(false);
    expect(settling.isOver(hosts(), 9_800)).toBe(true);
  });

  test('a host of an older version, which reports no lease, is assumed to have the default one', () => {
    const settling = replaced();
    const [name, { leaseTtlMs: _, ...old }] = host('old', {});
    expect(settling.isOver(hosts([name, old]), 15_799)).toBe(false);
    expect(settling.isOver(hosts([name, old]), 15_800)).toBe(true);
  });

  test('a new leader waits for the rest of that time', () => {
    const settling = new Settling();
    settling.note({ id: 'r2', changedAgoMs: 4_000 }, hosts(), 10_000);
    const known = hosts(host('a', { serverRun: 'r1' }));
    expect(settling.isOver(known, 10_999)).toBe(false);
    expect(settling.isOver(known, 11_000)).toBe(true);
  });
});

test('while the Redis server is the same as ever, no host has to be waited for', () => {
  const settling = new Settling();
  settling.note({ id: 'r1' }, new Map(), 0);
  const report = { name: 'a' };
  expect(settling.isOver(new Map([['a', { report, left: false } as HostState]]), 0)).toBe(true);
});

test('a host whose lease Redis has lost keeps its build and gets no other until it has reported to the new server', async () => {
  await using redis = await TestRedis.start({ appendFsync: 'always' });
  await using pool = await SchedulerPool.open(redis.url);
  const { state } = pool;
  await pool.join('a');
  let rounds = 0;
  const leadership = new Leadership(state.redis, state.keys, 's', 5_000);
  const onRound = () => {
    rounds += 1;
  };
  pool.start('s', { leaderTtlMs: 5_000, tickMs: 20 }, { leadership, onRound });
  const { buildId: running } = await pool.begin(await pool.submit());

  await redis.down('SIGKILL');
  await redis.up();
  // As after a failover that lost the lease's last renewals.
  await pool.lose('a');
  const waiting = await pool.submit();
  await vi.waitFor(() => expect(leadership.server?.changedAgoMs).toBeDefined(), PATIENCE);
  const before = rounds;
  await vi.waitFor(() => expect(rounds).toBeGreaterThanOrEqual(before + 5), PATIENCE);
  expect([(await pool.record(running)).state, (await pool.record(waiting)).state]).toEqual(['running', 'queued']);

  await pool.join('a');
  await pool.reaches(waiting, 'assigned');
  expect((await pool.record(running)).state).toBe('running');
});

test('a leader writes nothing on a server that it hasn’t seen yet', async () => {
  await using redis = await TestRedis.start({ appendFsync: 'always' });
  await using pool = await SchedulerPool.open(redis.url);
  const { keys, learned, redis: connection } = pool.state;
  const leadership = new Leadership(connection, keys, 's', 60_000);
  const token = (await leadership.hold()) ?? '';
  const nothing = { estimate: {}, horizonMs: 1, watchedSince: 1 } as never;
  expect(await learned.save(nothing, [], token)).toBe('saved');
  await redis.down('SIGKILL');
  await redis.up();
  expect(await learned.save(nothing, [], token)).toBe('not_leader');
  expect(await leadership.hold()).toBe(token);
  expect(await learned.save(nothing, [], token)).toBe('saved');
});
