import type { IdentifiedLogRecord } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { chatting, quick } from '../support/dockerfiles.ts';
import { expectNumbered, expectWhole } from '../support/logs.ts';
import { sharedPool } from '../support/pool.ts';

const thePool = sharedPool(() => ({ workers: ['a', 'b'], slots: 1 }));

test('a Redis that crashes in mid-build and comes back costs nothing: one attempt, one end, the whole log', async () => {
  const pool = thePool();
  await pool.client.cordonHost('b');
  const seconds = pool.sleepSeconds();
  const { id } = await pool.submit(chatting(seconds));
  const followed: IdentifiedLogRecord[] = [];
  const following = (async () => {
    for await (const record of pool.client.followLog(id)) followed.push(record);
  })();
  await pool.sleeping(seconds, id);
  const { id: waiting } = await pool.submit(quick(seconds));
  await pool.redis.down();
  await pool.redis.up();
  await pool.followedSome(followed, followed.length);
  await pool.release(seconds);
  expect(await pool.client.waitForEnd(id)).toMatchObject({ state: 'succeeded', attempts: [{ end: 'succeeded' }] });
  expect(await pool.client.waitForEnd(waiting)).toMatchObject({ state: 'succeeded', attempts: [{ number: 1 }] });
  await following;
  expectWhole(followed, 1);
  expectNumbered(followed);
  expect(followed).toEqual(await pool.log(id));
  await pool.client.uncordonHost('b');
});

test('a Redis that is away for longer than the leases: the attempt is stopped before another one begins', async () => {
  const pool = thePool();
  const seconds = pool.sleepSeconds();
  const { id } = await pool.submit(chatting(seconds));
  await pool.sleeping(seconds, id);
  await pool.redis.down();
  // The worker fences itself: it can't know whether the pool has given its builds to somebody else.
  await pool.awake(seconds);
  await pool.redis.up();
  await pool.sleeping(seconds, id, 2);
  await pool.release(seconds);
  expect(await pool.client.waitForEnd(id)).toMatchObject({
    state: 'succeeded',
    attempts: [
      { number: 1, end: 'lost' },
      { number: 2, end: 'succeeded' },
    ],
  });
  const log = await pool.log(id);
  expectWhole(log, 2);
  expectNumbered(log);
});
