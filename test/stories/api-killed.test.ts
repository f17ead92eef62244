import { expect, test } from 'vitest';
import { chatting } from '../support/dockerfiles.ts';
import { FollowedLog } from '../support/followed-log.ts';
import { expectNumbered, expectWhole } from '../support/logs.ts';
import { sharedPool } from '../support/pool/start-pool.ts';

const thePool = sharedPool(() => ({ apis: 2 }));

test('a build survives its API: a client that follows the log gets the rest of it, and one that waits gets the end', async () => {
  const pool = thePool();
  const build = await pool.hang(chatting);
  const followed = new FollowedLog(pool.client, build.id);
  const waiting = pool.client.waitForEnd(build.id);
  await followed.receivesMore(0);
  await pool.kill('api', '1');
  const before = followed.records.length;
  await pool.start('api', '1');
  await followed.receivesMore(before);
  await build.release();
  expect(await waiting).toMatchObject({ state: 'succeeded', attempts: [{ end: 'succeeded' }] });
  await followed.ended;
  expect(followed.reconnects.length).toBeGreaterThan(0);
  expectWhole(followed.records, 1);
  expectNumbered(followed.records);
  // What was followed across the restart is what is kept.
  expect(followed.records).toEqual(await pool.log(build.id));
});

test('with two API processes, only the clients of one notice its death', async () => {
  const pool = thePool();
  const build = await pool.hang(chatting);
  const other = pool.clientOf('2');
  const followed = new FollowedLog(other, build.id);
  await pool.kill('api', '1');
  await followed.receivesMore();
  await build.release();
  expect(await other.waitForEnd(build.id)).toMatchObject({ state: 'succeeded' });
  await followed.ended;
  expect(followed.reconnects).toEqual([]);
  expectWhole(followed.records, 1);
  expectNumbered(followed.records);
});
