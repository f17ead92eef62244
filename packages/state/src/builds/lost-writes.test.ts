import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runScript } from '../redis/scripts.ts';
import { moment } from '../testing/rewind.ts';
import { TestPool } from '../testing/test-pool.ts';
import { TestRedis } from '../testing/test-redis.ts';
import type { AttemptRef } from './attempt-store.ts';
import { StaleAttempt } from './errors.ts';
import { applyEvent, changeArgs } from './write.ts';

let redis: TestRedis;
let pool: TestPool;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  pool = await TestPool.open(redis.url, 'lost');
  return async () => {
    await pool.state.redis.flushall();
    await pool[Symbol.asyncDispose]();
  };
});

/** The ref as a worker has it, with the nonce of the assignment. */
async function identified(ref: AttemptRef): Promise<AttemptRef> {
  const nonce = (await pool.record(ref.buildId)).attempts[ref.attempt - 1]?.nonce;
  if (nonce === undefined) throw new Error(`attempt ${ref.attempt} of ${ref.buildId} has no nonce`);
  return { ...ref, nonce };
}

describe('an attempt whose assignment Redis has lost', () => {
  async function lostAndAgain(): Promise<{ lost: AttemptRef; again: AttemptRef }> {
    const { id } = await pool.submit();
    const before = await moment(pool.state.redis);
    const lost = await identified(await pool.run(id));
    await before.rewind();
    const again = await identified(await pool.run(id));
    return { lost, again };
  }

  test('differs from the next one of its number, even on the same host and worker', async () => {
    const { lost, again } = await lostAndAgain();
    expect({ ...again, nonce: '' }).toEqual({ ...lost, nonce: '' });
    expect(again.nonce).not.toBe(lost.nonce);
  });

  test('is refused writes in place of the next one', async () => {
    const { lost, again } = await lostAndAgain();
    await expect(pool.state.logs.append(lost, 1, ['{"n":1}'])).rejects.toThrow(StaleAttempt);
    await expect(pool.state.attempts.pin(lost, 'c')).rejects.toThrow(StaleAttempt);
    await expect(pool.state.attempts.start(lost)).rejects.toThrow(StaleAttempt);
    await expect(pool.settle(lost, { end: 'succeeded' })).rejects.toThrow(StaleAttempt);
    await pool.state.logs.append(again, 1, ['{"n":1}']);
    expect(await pool.settle(again, { end: 'succeeded' })).toMatchObject({ state: 'succeeded' });
    await expect(pool.settle(lost, { end: 'succeeded' })).rejects.toThrow(StaleAttempt);
  });

  test('is no longer among the attempts that its worker should run', async () => {
    const { again } = await lostAndAgain();
    const { attempts } = await pool.joinHost();
    expect(attempts).toEqual([{ buildId: again.buildId, attempt: 1, nonce: again.nonce, cancel: false, begun: true }]);
  });
});

test('a record that was read before writes were lost doesn’t overwrite another one of the same revision', async () => {
  const { id } = await pool.submit();
  const { redis: connection, keys } = pool.state;
  const before = await moment(connection);
  await pool.run(id);
  const codes: unknown[] = [];
  const written = await applyEvent(connection, keys, id, { type: 'cancel' }, 1, async (next, expected) => {
    if (codes.length === 0) {
      await before.rewind();
      await pool.run(id);
    }
    const call = [keys.prefix, id, expected, ...changeArgs(next, 1)];
    codes.push(await runScript(connection, 'pin-source', [keys.build(id)], call));
    return codes.at(-1);
  });
  expect(codes).toEqual([-2, 0]);
  expect(written.outcome === 'applied' && written.build.attempts[0]?.nonce).toBe(
    (await pool.record(id)).attempts[0]?.nonce,
  );
});

test('writes without a nonce, by workers of older versions, apply to the attempt of that number', async () => {
  const { id } = await pool.submit();
  const ref = await pool.run(id);
  expect(ref).not.toHaveProperty('nonce');
  await pool.state.logs.append(ref, 1, ['{"n":1}']);
  expect(await pool.settle(ref, { end: 'succeeded' })).toMatchObject({ state: 'succeeded' });
});
