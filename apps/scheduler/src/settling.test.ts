import { buildRequest } from '@kiln/contracts';
import { limitDefaults } from '@kiln/domain';
import { createLogger } from '@kiln/runtime';
import { type HostState, Leadership, openState } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { describe, expect, test } from 'vitest';
import { startScheduler } from './scheduler.ts';
import { Settling } from './settling.ts';

describe('after Redis was replaced', () => {
  const host = (name: string, more: Partial<HostState>) =>
    [name, { report: { name }, left: false, leaseTtlMs: 5_000, ...more } as HostState] as const;
  const hosts = (...all: (readonly [string, HostState])[]) => new Map(all);
  /** A leader that knew server r1 with `before`, and sees at 1000 that r2 has answered for 200 ms. */
  function replaced(before = hosts()): Settling {
    const settling = new Settling();
    settling.note({ id: 'r1' }, hosts(), 0);
    expect(settling.note({ id: 'r2', changedAgoMs: 200 }, before, 1_000)).toBe(true);
    expect(settling.note({ id: 'r2', changedAgoMs: 300 }, before, 1_100)).toBe(false);
    return settling;
  }

  test('nothing is placed until each host has reported to the new server', () => {
    const settling = replaced();
    expect(settling.isOver(hosts(host('a', { serverRun: 'r2' }), host('b', { serverRun: 'r1' })), 1_100)).toBe(false);
    expect(settling.isOver(hosts(host('a', { serverRun: 'r2' }), host('b', { serverRun: 'r2' })), 1_200)).toBe(true);
  });

  test('a host that doesn’t is waited for as long as its lease of before may have lasted', () => {
    const settling = replaced();
    const known = hosts(host('a', { serverRun: 'r1' }), host('gone', { serverRun: 'r1', left: true }));
    expect(settling.isOver(known, 5_799)).toBe(false);
    expect(settling.isSettled(known.get('a'), 5_799)).toBe(false);
    expect(settling.isOver(known, 5_800)).toBe(true);
  });

  test('so is one that Redis has forgotten, and this leader hasn’t', () => {
    const settling = replaced(hosts(host('forgotten', { serverRun: 'r1', leaseTtlMs: 9_000 })));
    expect(settling.isOver(hosts(), 9_799)).toBe(false);
    expect(settling.isOver(hosts(), 9_800)).toBe(true);
  });

  test('a host of an older version, which says no lease, has the workers’ default', () => {
    const settling = replaced();
    const [name, { leaseTtlMs: _, ...old }] = host('old', {});
    expect(settling.isOver(hosts([name, old]), 15_799)).toBe(false);
    expect(settling.isOver(hosts([name, old]), 15_800)).toBe(true);
  });

  test('a server that has always been the same is waited for by nobody', () => {
    const settling = new Settling();
    settling.note({ id: 'r1' }, hosts(), 0);
    expect(settling.isOver(hosts(host('a', {})), 0)).toBe(true);
  });

  test('a new leader waits for what is left of the time', () => {
    const settling = new Settling();
    settling.note({ id: 'r2', changedAgoMs: 4_000 }, hosts(), 10_000);
    const known = hosts(host('a', { serverRun: 'r1' }));
    expect(settling.isOver(known, 10_999)).toBe(false);
    expect(settling.isOver(known, 11_000)).toBe(true);
  });
});

test('a host whose lease Redis has lost keeps what it runs, and gets nothing new, until it has reported to the new server', async () => {
  await using redis = await TestRedis.start({ appendFsync: 'always' });
  const secretKey = Buffer.alloc(32, 1);
  await using state = await openState({ redisUrl: redis.url, namespace: 'kiln', secretKey, onError: () => {} });
  const report = {
    ...{ name: 'a', slots: 2, platforms: ['linux/amd64'], labels: {}, driver: 'docker' as const },
    ...{ engineVersion: '1', buildxVersion: '1', accepting: true },
  };
  const identity = { machine: 'm', incarnation: 'i', epoch: await state.hosts.nextEpoch() };
  const join = () => state.hosts.sync(report, identity, 60_000);
  const spec = { ...buildRequest.parse({ source: { type: 'upload', name: 'app' } }), secrets: [] };
  const submit = async () => (await state.builds.accept({ repo: 'app', spec, secrets: {} })).build.record.id;
  const stateOf = async (id: string) => (await state.builds.get(id))?.record.state;
  await join();
  const rounds: (() => void)[] = [];
  const round = () => new Promise<void>((resolve) => void rounds.push(resolve));
  const leadership = new Leadership(state.redis, state.keys, 's', 5_000);
  const log = createLogger({ app: 'test', level: 'silent' });
  const scheduler = startScheduler(
    { leaderTtlMs: 5_000, tickMs: 20, buildRetentionMs: 3_600_000, limits: limitDefaults() },
    { ...state, leadership, log, onRound: () => void rounds.splice(0).forEach((resolve) => void resolve()) },
  );
  const until = async (holds: () => Promise<boolean>) => {
    while (!(await holds())) await round();
  };
  try {
    const running = await submit();
    await until(async () => (await stateOf(running)) === 'assigned');
    await state.attempts.start({ buildId: running, attempt: 1, host: 'a', incarnation: 'i' });

    await redis.down('SIGKILL');
    await redis.up();
    // As a failover that lost the lease's last renewals.
    await state.redis.del(state.keys.hostLease('a'));
    const waiting = await submit();
    await until(async () => leadership.server?.changedAgoMs !== undefined);
    for (let i = 0; i < 5; i++) await round();
    expect([await stateOf(running), await stateOf(waiting)]).toEqual(['running', 'queued']);

    await join();
    await until(async () => (await stateOf(waiting)) === 'assigned');
    expect(await stateOf(running)).toBe('running');
  } finally {
    await scheduler.close();
  }
});

test('a leader writes nothing on a server that it hasn’t seen yet', async () => {
  await using redis = await TestRedis.start({ appendFsync: 'always' });
  const secretKey = Buffer.alloc(32, 1);
  await using state = await openState({ redisUrl: redis.url, namespace: 'kiln', secretKey, onError: () => {} });
  const leadership = new Leadership(state.redis, state.keys, 's', 60_000);
  const token = (await leadership.hold()) ?? '';
  const pool = { estimate: {}, horizonMs: 1, watchedSince: 1 } as never;
  expect(await state.learned.save(pool, [], token)).toBe('saved');
  await redis.down('SIGKILL');
  await redis.up();
  expect(await state.learned.save(pool, [], token)).toBe('not_leader');
  expect(await leadership.hold()).toBe(token);
  expect(await state.learned.save(pool, [], token)).toBe('saved');
});
