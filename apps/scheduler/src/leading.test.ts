import { consumeAttempts, Leadership, pendingBuild } from '@kiln/state';
import { decisionFor } from '@kiln/state/testing';
import { describe, expect, onTestFinished, vi } from 'vitest';
import { APP_CACHE, learnApp, publishCaches } from './testing/caches.ts';
import { PATIENCE, test, until } from './testing/scheduler-pool.ts';

describe('a leader', () => {
  test('places a build by what hosts published before it was accepted, even while the leader reads the pool', async ({
    pool,
  }) => {
    await Promise.all([pool.join('a'), pool.join('b')]);
    await learnApp(pool);
    const { hosts } = pool.state;
    let accepted: string | undefined;
    const reading = {
      get: (name: string) => hosts.get(name),
      idle: (name: string, idleMs: number) => hosts.idle(name, idleMs),
      departed: () => hosts.departed(),
      purgeLost: (name: string) => hosts.purgeLost(name),
      markMoves: hosts.markMoves.bind(hosts),
      list: async () => {
        const found = await hosts.list();
        if (accepted === undefined) {
          accepted = '';
          await publishCaches(pool, 'b', APP_CACHE);
          accepted = await pool.submit();
        }
        return found;
      },
    };
    pool.start('s1', {}, { hosts: reading });
    const id = await until(
      async () => accepted,
      (found) => Boolean(found),
    );
    expect(await pool.placed(id ?? '')).toBe('b');
  });

  test('reads a host once for all events that arrive while it is busy', async ({ pool }) => {
    await pool.join('a');
    const { events, hosts } = pool.state;
    const read = { first: Promise.withResolvers<void>(), gets: 0 };
    let heard = 0;
    using _ = events.subscribe(() => {
      heard += 1;
    });
    const reading = {
      get: (name: string) => {
        read.gets += 1;
        return hosts.get(name);
      },
      idle: (name: string, idleMs: number) => hosts.idle(name, idleMs),
      departed: () => hosts.departed(),
      purgeLost: (name: string) => hosts.purgeLost(name),
      markMoves: hosts.markMoves.bind(hosts),
      list: async () => {
        await read.first.promise;
        return await hosts.list();
      },
    };
    pool.start('s1', { tickMs: 60_000 }, { hosts: reading });
    await until(
      () => pool.state.redis.get(pool.state.keys.leader()),
      (owner) => owner === 's1',
    );
    const before = heard;
    for (let i = 0; i < 50; i++) await pool.state.hostOperations.cordon('a');
    await pool.state.hostOperations.uncordon('a');
    await vi.waitFor(() => expect(heard).toBeGreaterThanOrEqual(before + 51), PATIENCE);
    read.first.resolve();
    await pool.reaches(await pool.submit(), 'assigned');
    expect(read.gets).toBeLessThan(10);
  });

  test('gets a slot back at an attempt’s end even if the read of its record failed once', async ({ pool }) => {
    const { builds } = pool.state;
    await pool.join('a', { slots: 1 });
    let [fails, failed] = [false, 0];
    const failing = {
      get: (id: string) => builds.get(id),
      record: async (id: string) => {
        if (fails && failed++ === 0) throw new Error("OOM command not allowed when used memory > 'maxmemory'.");
        return await builds.record(id);
      },
    };
    pool.start('s1', {}, { builds: failing });
    const ref = await pool.begin(await pool.submit());
    fails = true;
    await pool.state.attempts.settle(ref, { end: 'succeeded' });
    await pool.reaches(await pool.submit(), 'assigned');
    expect(failed).toBeGreaterThan(0);
  });

  test('leaves a build whose request is of a newer version waiting, and places the others', async ({ pool }) => {
    const { keys, redis } = pool.state;
    await pool.join('a');
    const newer = await pool.submit();
    const spec = JSON.parse((await redis.hget(keys.build(newer), 'spec')) ?? '');
    await redis.hset(keys.build(newer), 'spec', JSON.stringify({ ...spec, gpus: 2 }));
    pool.start();
    await pool.reaches(await pool.submit(), 'assigned');
    expect((await pool.record(newer)).state).toBe('queued');
  });

  test('that died between an assignment and its job is followed by one that adds the job', async ({ pool }) => {
    const { builds, keys, pending, redis } = pool.state;
    await pool.join('a');
    const dying = new Leadership(redis, keys, 'dying', 500);
    const token = (await dying.hold()) ?? '';
    pool.start('s2');
    const id = await pool.submit();
    const stored = await builds.get(id);
    if (!stored) throw new Error('gone');
    const host = { name: 'a', incarnation: 'i1', slots: 2 };
    await pending.assign(pendingBuild(stored), host, decisionFor(id, 'a'), token);
    const delivered = new Promise<unknown>((resolve) => {
      const options = { concurrency: 1, onError: () => {} };
      const consumer = consumeAttempts(redis, keys, 'a', options, async (job) => resolve(job));
      onTestFinished(() => consumer[Symbol.asyncDispose]() as Promise<void>);
    });
    expect(await delivered).toEqual({ buildId: id, attempt: 1, nonce: expect.any(String) });
    expect(await dying.hold()).toBeUndefined();
  });

  test('that is stopped releases its lease at once', async ({ pool }) => {
    const { keys, redis } = pool.state;
    const config = { leaderTtlMs: 60_000 };
    await pool.join('a');
    const first = pool.start('s1', config);
    await until(
      () => redis.get(keys.leader()),
      (owner) => owner === 's1',
    );
    pool.start('s2', config);
    await first.close();
    await pool.reaches(await pool.submit(), 'assigned');
    expect(await redis.get(keys.leader())).toBe('s2');
  });
});
