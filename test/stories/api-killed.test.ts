import type { IdentifiedLogRecord } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { chatting } from '../support/dockerfiles.ts';
import { expectNumbered, expectWhole } from '../support/logs.ts';
import { sharedPool } from '../support/pool.ts';

const thePool = sharedPool(() => ({ apis: 2 }));

test('a build whose API is killed goes on; who followed it gets the rest of the log, and who waited its end', async () => {
  const pool = thePool();
  const seconds = pool.sleepSeconds();
  const { id } = await pool.submit(chatting(seconds));
  const followed: IdentifiedLogRecord[] = [];
  const reconnects: unknown[] = [];
  const following = (async () => {
    const options = { onReconnect: (error: unknown) => void reconnects.push(error) };
    for await (const record of pool.client.followLog(id, options)) followed.push(record);
  })();
  const waiting = pool.client.waitForEnd(id);
  await pool.sleeping(seconds, id);
  await pool.followedSome(followed);
  await pool.kill('api', '1');
  const before = followed.length;
  await pool.start('api', '1');
  await pool.followedSome(followed, before);
  await pool.release(seconds);
  expect(await waiting).toMatchObject({ state: 'succeeded', attempts: [{ end: 'succeeded' }] });
  await following;
  expect(reconnects.length).toBeGreaterThan(0);
  expectWhole(followed, 1);
  expectNumbered(followed);
  // The one that was followed across the restart is the one that is kept.
  expect(followed).toEqual(await pool.log(id));
});

test('with two API processes the death of one is seen only by its own clients', async () => {
  const pool = thePool();
  const seconds = pool.sleepSeconds();
  const { id } = await pool.submit(chatting(seconds));
  const other = pool.clientOf('2');
  const followed: IdentifiedLogRecord[] = [];
  const reconnects: unknown[] = [];
  const following = (async () => {
    const options = { onReconnect: (error: unknown) => void reconnects.push(error) };
    for await (const record of other.followLog(id, options)) followed.push(record);
  })();
  await pool.sleeping(seconds, id);
  await pool.kill('api', '1');
  await pool.followedSome(followed, followed.length);
  await pool.release(seconds);
  expect(await other.waitForEnd(id)).toMatchObject({ state: 'succeeded' });
  await following;
  expect(reconnects).toEqual([]);
  expectWhole(followed, 1);
  expectNumbered(followed);
});
