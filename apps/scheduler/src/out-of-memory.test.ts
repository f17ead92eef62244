import { consumeAttempts, Leadership } from '@kiln/state';
import { fillMemory, freeMemory, TestRedis } from '@kiln/state/testing';
import { expect, test, vi } from 'vitest';
import { PATIENCE, SchedulerPool } from './testing/scheduler-pool.ts';

test('the leader reclaims a lost host’s build while Redis is out of memory, and places it once there is room', async () => {
  await using redis = await TestRedis.start({ maxMemoryBytes: 12 * 1024 * 1024 });
  await using pool = await SchedulerPool.open(redis.url);
  const { attempts, keys, redis: connection } = pool.state;
  await pool.join('a');
  const leadership = new Leadership(connection, keys, 's1', 2_000);
  const hold = vi.spyOn(leadership, 'hold');
  pool.start('s1', { leaderTtlMs: 2_000, tickMs: 50 }, { leadership });
  const [done, lost] = [await pool.begin(await pool.submit()), await pool.begin(await pool.submit())];
  await fillMemory(connection);
  // What the leader learns from this one can't be stored, which delays nothing.
  await attempts.settle(done, { end: 'succeeded' });
  hold.mockClear();
  await vi.waitFor(() => expect(hold.mock.calls.length).toBeGreaterThanOrEqual(5), PATIENCE);
  await pool.join('b');
  await pool.lose('a');
  const back = await pool.reaches(lost.buildId, 'queued');
  expect(back.attempts.at(-1)).toMatchObject({ host: 'a', end: 'lost' });

  const jobs: string[] = [];
  const options = { concurrency: 1, onError: () => {} };
  await using _consumer = consumeAttempts(
    connection,
    keys,
    'b',
    options,
    async ({ buildId }) => void jobs.push(buildId),
  );
  await freeMemory(connection);
  expect(await pool.placed(lost.buildId)).toBe('b');
  await vi.waitFor(() => expect(jobs).not.toEqual([]), PATIENCE);
  // A job that has no effect is added again, but never another build's.
  expect(new Set(jobs)).toEqual(new Set([lost.buildId]));
});
