import { describe, expect, test } from 'vitest';
import { endedBuild, LATER, shrinkAll } from '../testing/archive.ts';
import { eachTestPool } from '../testing/each-pool.ts';
import type { TestPool } from '../testing/test-pool.ts';

let pool: TestPool;
eachTestPool('purging', (opened) => {
  pool = opened;
});

describe('purging', () => {
  test('removes every trace of ended builds, whole or shrunk, and keeps running ones', async () => {
    const shrunk = [await endedBuild(pool, { secrets: { a: 'b' } }), await endedBuild(pool, { team: 'other' })];
    await shrinkAll(pool);
    const whole = await endedBuild(pool);
    const { id: running } = await pool.submit();
    await pool.run(running);
    const { history, redis: connection, keys, builds } = pool.state;
    expect(await history.purgedUpTo()).toBe(0);
    expect(await history.purge(LATER, 2)).toBe(2);
    expect(await history.purgedUpTo()).toBe(0);
    expect(await history.purge(LATER, 500)).toBe(1);
    expect(await history.purgedUpTo()).toBeLessThanOrEqual(Date.now());
    expect(await history.purgedUpTo()).toBeGreaterThan(Date.now() - 60_000);
    for (const id of [...shrunk, whole]) {
      expect(await builds.get(id)).toBeUndefined();
      expect((await connection.keys(`${keys.prefix}*${id}*`)).filter((key) => !key.includes(':log:'))).toEqual([]);
    }
    expect((await builds.list({}, { limit: 10 })).builds).toHaveLength(1);
    const left = await connection.keys(`${keys.prefix.replace(/[{}]/g, '?')}{history,ended,idx:state:succeeded}`);
    expect(left).toEqual([]);
    for (const index of [keys.indexAll(), keys.indexTeam('default'), keys.indexRepo('app')]) {
      expect(await connection.zrange(index, '0', '-1')).toEqual([running]);
    }
  });

  test('depends on a build’s end, not on its acceptance, and skips running builds', async () => {
    const { id: early } = await pool.submit();
    const { id: running } = await pool.submit();
    await pool.run(running);
    const inTime = await endedBuild(pool);
    const between = Date.now();
    await expect.poll(() => Date.now(), { timeout: 60_000 }).toBeGreaterThan(between);
    await pool.settle(await pool.run(early), { end: 'succeeded' });
    for (const shrink of [false, true]) {
      if (shrink) await shrinkAll(pool);
      const purged = await pool.state.history.purge(between, 10);
      expect(purged).toBe(shrink ? 0 : 1);
      expect([await pool.state.builds.get(early), await pool.state.builds.get(inTime)]).toEqual([
        expect.anything(),
        undefined,
      ]);
    }
    // A live build that can't be read isn't purged.
    await pool.state.redis.hset(pool.state.keys.build(running), 'doc', '{');
    expect(await pool.state.history.purge(LATER, 10)).toBe(1);
    expect(await pool.state.redis.exists(pool.state.keys.build(running))).toBe(1);
  });

  test('includes builds that can’t be read any more', async () => {
    const [a, b] = [await endedBuild(pool), await endedBuild(pool)];
    await shrinkAll(pool);
    const { history, redis: connection, keys } = pool.state;
    await connection.hset(keys.history(), a, 'damaged');
    expect(await history.purge(LATER, 10)).toBe(2);
    expect(await connection.exists(keys.history(), keys.indexAll())).toBe(0);
    expect(await pool.state.builds.get(b)).toBeUndefined();
  });
});
