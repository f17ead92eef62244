import { describe, expect } from 'vitest';
import { test, until } from './testing/scheduler-pool.ts';

describe('the leader', () => {
  test('reclaims the builds of a host without a lease and assigns them to another', async ({ pool }) => {
    await pool.join('dying');
    pool.start();
    const id = await pool.submit();
    await pool.reaches(id, 'assigned');
    await pool.lose('dying');
    await pool.join('other');
    const again = await pool.build(id, ({ attempts, state }) => attempts.length === 2 && state === 'assigned');
    expect(again.attempts).toMatchObject([
      { host: 'dying', end: 'lost', failure: { code: 'host_lost' } },
      { host: 'other' },
    ]);
    expect(await pool.state.hosts.get('dying')).toMatchObject({ alive: false, held: [] });
  });

  test('reclaims the builds of a host whose worker was restarted', async ({ pool }) => {
    await pool.join('a', { incarnation: 'i1' });
    pool.start();
    const id = await pool.submit();
    await pool.reaches(id, 'assigned');
    await pool.join('a', { incarnation: 'i2' });
    const again = await pool.build(id, ({ attempts, state }) => attempts.length === 2 && state === 'assigned');
    expect(again.attempts).toMatchObject([{ incarnation: 'i1', end: 'lost' }, { incarnation: 'i2' }]);
    expect((await pool.state.hosts.get('a'))?.held).toEqual([{ buildId: id, attempt: 2, weight: 1 }]);
  });

  test('ends a canceled build of a lost host as canceled', async ({ pool }) => {
    await pool.join('dying');
    pool.start();
    const id = await pool.submit();
    await pool.reaches(id, 'assigned');
    await pool.state.builds.cancel(id);
    await pool.lose('dying');
    expect((await pool.reaches(id, 'canceled')).failure).toMatchObject({ code: 'canceled' });
  });

  test('reclaims a build that a live host reports not to run, and leaves the one that it runs', async ({ pool }) => {
    await pool.join('a');
    pool.start('s1', { idleAttemptMs: 1_000 });
    const [idle, busy] = [await pool.submit(), await pool.submit()];
    for (const id of [idle, busy]) await pool.reaches(id, 'assigned');
    await pool.join('other');
    const again = await until(
      async () => {
        await pool.join('a', {}, [busy]);
        return await pool.record(idle);
      },
      ({ attempts }) => attempts.length === 2,
    );
    expect(again.attempts).toMatchObject([
      { host: 'a', end: 'lost', failure: { code: 'infrastructure' } },
      { host: 'other' },
    ]);
    expect((await pool.record(busy)).attempts).toHaveLength(1);
  });

  test('releases a slot that no attempt holds any more', async ({ pool }) => {
    await pool.join('a', { slots: 1 });
    await pool.state.redis.hset(pool.state.keys.hostHeld('a'), 'nobody:1', '1');
    pool.start();
    await pool.reaches(await pool.submit(), 'assigned');
  });

  test('purges builds past their retention', async ({ pool }) => {
    const id = await pool.submit();
    await pool.state.builds.cancel(id);
    pool.start('s1', { buildRetentionMs: -1_000 });
    await until(
      () => pool.state.builds.get(id),
      (found) => found === undefined,
    );
  });
});
