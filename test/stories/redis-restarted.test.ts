import { expect, test } from 'vitest';
import { chatting, quick } from '../support/dockerfiles.ts';
import { FollowedLog } from '../support/followed-log.ts';
import { expectNumbered, expectWhole } from '../support/logs.ts';
import { sharedPool } from '../support/pool/start-pool.ts';

// With `everysec`, a Redis that is killed while an fsync is under way loses what it has just acknowledged. The lease has to outlast a restart of
// Redis on a busy machine.
const thePool = sharedPool(() => ({ workers: ['a', 'b'], slots: 1, leaseTtlMs: 8_000, appendFsync: 'always' }));

test('a Redis that crashes in mid-build and restarts costs nothing: there is one attempt, one end, and the whole log', async () => {
  const pool = thePool();
  await pool.client.cordonHost('b');
  const build = await pool.hang(chatting);
  const followed = new FollowedLog(pool.client, build.id);
  const { id: waiting } = await pool.submit(quick(build.seconds));
  await pool.redis.down();
  await pool.redis.up();
  await followed.receivesMore();
  await build.release();
  expect(await pool.client.waitForEnd(build.id)).toMatchObject({
    state: 'succeeded',
    attempts: [{ end: 'succeeded' }],
  });
  expect(await pool.client.waitForEnd(waiting)).toMatchObject({ state: 'succeeded', attempts: [{ number: 1 }] });
  await followed.ended;
  expectWhole(followed.records, 1);
  expectNumbered(followed.records);
  expect(followed.records).toEqual(await pool.log(build.id));
  await pool.client.uncordonHost('b');
});

test('a Redis that is away for longer than the leases: the attempt is stopped before the next one starts', async () => {
  const pool = thePool();
  const build = await pool.hang(chatting);
  await pool.redis.down();
  // The worker stops the attempt by itself, because it cannot know whether the pool has given its builds to another host.
  await build.stopped();
  await pool.redis.up();
  await build.hangs(2);
  await build.release();
  expect(await pool.client.waitForEnd(build.id)).toMatchObject({
    state: 'succeeded',
    attempts: [
      { number: 1, end: 'lost' },
      { number: 2, end: 'succeeded' },
    ],
  });
  const log = await pool.log(build.id);
  expectWhole(log, 2);
  expectNumbered(log);
});
