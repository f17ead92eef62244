import { expect, test, vi } from 'vitest';
import { CorruptState, StaleAttempt } from './builds/errors.ts';
import { isPassing, persist } from './persist.ts';
import { connectRedis } from './redis/connect.ts';
import { FaultyRedis, REDIS_ERROR_REPLIES } from './testing/faulty-redis.ts';
import { TestRedis } from './testing/test-redis.ts';

const errorOf = (call: Promise<unknown>) => call.then(() => undefined).catch((error: Error) => error);

test('errors about Redis’ own state are passing; errors about commands or data, and Kiln’s refusals, are not', async () => {
  await using server = await TestRedis.start();
  await using proxy = await FaultyRedis.start(server.url);
  const redis = connectRedis(proxy.url, () => {});
  for (const fault of REDIS_ERROR_REPLIES) {
    proxy.fault = () => fault;
    expect([fault, isPassing(await errorOf(redis.set('a', '1')))]).toEqual([fault, true]);
    const transaction = await errorOf(redis.multi().set('a', '1').exec());
    expect([fault, isPassing(transaction)]).toEqual([fault, true]);
  }
  proxy.fault = () => undefined;
  await redis.set('a', '1');
  expect(isPassing(await errorOf(redis.hget('a', 'f')))).toBe(false);
  expect(isPassing(await errorOf(redis.eval('nonsense', 0)))).toBe(false);
  redis.disconnect();
  expect(isPassing(await errorOf(redis.get('a')))).toBe(false);
  const refused = [new StaleAttempt('b', 1), new CorruptState('a gap'), new TypeError('a bug'), 'no error at all'];
  expect(refused.map(isPassing)).toEqual([false, false, false, false]);
});

test('a write that a full Redis refuses succeeds once there is memory again', async () => {
  await using server = await TestRedis.start();
  const redis = connectRedis(server.url, () => {});
  await redis.config('SET', 'maxmemory', '1');
  const failures: Error[] = [];
  const write = persist(
    () => redis.set('a', '1'),
    (error) => {
      failures.push(error);
      if (failures.length === 3) void redis.config('SET', 'maxmemory', '0');
    },
  );
  expect(await write).toBe('OK');
  expect(failures.map(({ message }) => message.split(' ', 1)[0])).toEqual(
    expect.arrayContaining(['OOM', 'OOM', 'OOM']),
  );
  redis.disconnect();
});

test('a call is repeated at growing intervals of at most two seconds until Redis takes or refuses it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const at: number[] = [];
  let outcome: () => void = () => {
    throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  };
  const begunAt = performance.now();
  const call = persist(async () => {
    at.push(performance.now() - begunAt);
    outcome();
  });
  const refused = expect(call).rejects.toThrow(StaleAttempt);
  await vi.advanceTimersByTimeAsync(20_000);
  const waits = at.slice(1).map((time, i) => time - (at[i] ?? 0));
  expect(waits.length).toBeGreaterThan(9);
  expect(waits[0]).toBeLessThanOrEqual(50);
  expect(Math.max(...waits)).toBeLessThanOrEqual(2_000);
  outcome = () => {
    throw new StaleAttempt('b', 1);
  };
  await vi.advanceTimersByTimeAsync(2_000);
  await refused;
  vi.useRealTimers();
});
