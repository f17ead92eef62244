import { describe, expect } from 'vitest';
import { test } from '../testing/host-pool.ts';
import { HostRemoved } from './errors.ts';

describe('removing a host', () => {
  test('removes its settings too and refuses its worker, but a new worker may join', async ({ pool }) => {
    await pool.join('i1');
    await pool.join('i2');
    await pool.operations.change('h1', { slots: 7 });
    const removed = await pool.operations.remove('h1', false);
    expect(removed).toMatchObject({ outcome: 'removed', host: { report: { name: 'h1', slots: 7 } } });
    expect(await pool.state.hosts.list()).toEqual([]);
    await expect(pool.join('i2')).rejects.toThrow(HostRemoved);
    await expect(pool.join('i1')).rejects.toThrow(HostRemoved);
    expect(await pool.state.hosts.list()).toEqual([]);
    expect((await pool.assign({ incarnation: 'i2' })).outcome).toBe('host_unfit');
    expect(await pool.join('i3')).toMatchObject({ slots: 2 });
    const left = (await pool.state.redis.keys(`${pool.state.keys.prefix}*`)).filter((key) => key.includes('q:host-h1'));
    expect(left).toEqual([]);
  });

  test('is refused while it holds builds, and changes nothing', async ({ pool }) => {
    await pool.join();
    const { ref } = await pool.assign();
    expect(await pool.operations.remove('h1', false)).toMatchObject({
      outcome: 'busy',
      host: { held: [{ buildId: ref.buildId }] },
    });
    expect(await pool.host()).toMatchObject({ cordoned: false, draining: false });
    await pool.finish(ref);
    expect(await pool.operations.remove('h1', false)).toMatchObject({ outcome: 'removed' });
  });

  test('by force makes its worker hand its builds back, after which its reports are refused', async ({ pool }) => {
    await pool.join();
    const { ref } = await pool.assign();
    expect(await pool.operations.remove('h1', true)).toMatchObject({ outcome: 'removing' });
    expect((await pool.assign()).outcome).toBe('host_unfit');
    expect(await pool.join()).toMatchObject({ drain: { handBackInMs: 0 }, attempts: [{ buildId: ref.buildId }] });
    const failure = { code: 'host_drained', message: 'drained' } as const;
    await pool.state.attempts.settle(ref, { end: 'failed', failure });
    await expect(pool.join()).rejects.toThrow(HostRemoved);
    expect(await pool.state.hosts.list()).toEqual([]);
    expect((await pool.state.builds.get(ref.buildId))?.record).toMatchObject({ state: 'queued' });
  });

  test('by force can be undone by uncordoning it', async ({ pool }) => {
    await pool.join();
    const { ref } = await pool.assign();
    await pool.operations.remove('h1', true);
    await pool.operations.uncordon('h1');
    await pool.finish(ref);
    expect((await pool.join()).drain).toBeUndefined();
    expect((await pool.host()).orders).toMatchObject({ removing: false, cordoned: false });
  });

  test('by force when it is lost completes once the leader has reclaimed its builds', async ({ pool }) => {
    await pool.join();
    const { ref } = await pool.assign();
    await pool.lose();
    expect(await pool.operations.remove('h1', true)).toMatchObject({ outcome: 'removing' });
    await pool.state.hosts.purgeLost('h1');
    expect(await pool.host()).toMatchObject({ alive: false, orders: { removing: true } });
    await pool.state.attempts.reclaim(ref, { code: 'host_lost', message: 'lost' }, pool.token);
    await pool.state.hosts.purgeLost('h1');
    expect(await pool.state.hosts.list()).toEqual([]);
    await expect(pool.join()).rejects.toThrow(HostRemoved);
  });

  test('while builds are being assigned either succeeds or leaves it with the assigned builds', async ({ pool }) => {
    for (let round = 0; round < 10; round++) {
      await pool.join(`r${round}`);
      const [removed, assigned] = await Promise.all([
        pool.operations.remove('h1', false),
        pool.assign({ incarnation: `r${round}` }),
      ]);
      expect([removed?.outcome, assigned.outcome]).toEqual(
        removed?.outcome === 'removed' ? ['removed', 'host_unfit'] : ['busy', 'assigned'],
      );
      if (assigned.outcome === 'assigned') await pool.finish(assigned.ref);
    }
  });
});

describe('a host without a worker', () => {
  test('is listed for a day after it was lost, then purged', async ({ pool }) => {
    await pool.join();
    await pool.lose();
    await pool.state.hosts.purgeLost('h1');
    expect(await pool.host()).toMatchObject({ alive: false, left: false });
    await pool.state.redis.hset(pool.state.keys.host('h1'), 'lastSeenAt', Date.now() - 25 * 3_600_000);
    await pool.state.hosts.purgeLost('h1');
    expect(await pool.keys()).toEqual([]);
  });

  test('is kept while it has settings, until they are reset or it is removed', async ({ pool }) => {
    await pool.join();
    await pool.state.redis.hset(pool.state.keys.host('h1'), 'lastSeenAt', 0);
    await pool.state.hosts.purgeLost('h1');
    expect(await pool.host()).toMatchObject({ alive: true });
    await pool.operations.change('h1', { slots: 3 });
    await pool.lose();
    await pool.state.redis.hset(pool.state.keys.host('h1'), 'lastSeenAt', 0);
    await pool.state.hosts.purgeLost('h1');
    expect(await pool.host()).toMatchObject({ alive: false, report: { slots: 3 } });
    expect(await pool.operations.remove('h1', false)).toMatchObject({ outcome: 'removed' });
    await pool.join('i2');
    await pool.operations.cordon('h1');
    await pool.state.hosts.leave('h1', 'i2');
    expect(await pool.operations.uncordon('h1')).toBeUndefined();
    expect(await pool.state.hosts.list()).toEqual([]);
  });

  test('takes no orders if it is unknown', async ({ pool }) => {
    const { cordon, uncordon, drain, change, remove } = {
      cordon: await pool.operations.cordon('h1'),
      uncordon: await pool.operations.uncordon('h1'),
      drain: await pool.operations.drain('h1', 5),
      change: await pool.operations.change('h1', { slots: 3 }),
      remove: await pool.operations.remove('h1', true),
    };
    expect([cordon, uncordon, drain, change, remove]).toEqual(Array(5).fill(undefined));
    expect(await pool.keys()).toEqual([]);
  });
});
