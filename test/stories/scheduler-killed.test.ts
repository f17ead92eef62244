import { expect, test } from 'vitest';
import { hanging, quick } from '../support/dockerfiles.ts';
import { expectWhole } from '../support/logs.ts';
import { sharedPool } from '../support/pool.ts';

const thePool = sharedPool(() => ({ schedulers: 2, slots: 1 }));

test('when the leading scheduler is killed the other one leads: what runs goes on, what waits is placed, each once', async () => {
  const pool = thePool();
  const seconds = pool.sleepSeconds();
  const { id: first } = await pool.submit(hanging(seconds));
  await pool.sleeping(seconds, first);
  const waiting = await Promise.all([1, 2, 3].map((n) => pool.submit(quick(`${n} ${seconds}`))));
  const leader = await pool.leader();
  await pool.kill('scheduler', leader);
  expect(await pool.leader()).not.toBe(leader);
  const late = await pool.submit(quick(`late ${seconds}`));
  await pool.release(seconds);
  for (const { id } of [{ id: first }, ...waiting, late]) {
    expect(await pool.client.waitForEnd(id)).toMatchObject({ state: 'succeeded', attempts: [{ end: 'succeeded' }] });
    expectWhole(await pool.log(id), 1);
  }
});

test('with no scheduler alive builds are accepted all the same, and placed when one is there again', async () => {
  const pool = thePool();
  await Promise.all(['1', '2'].map((name) => pool.kill('scheduler', name)));
  const { id, state } = await pool.submit(quick(pool.sleepSeconds()));
  expect(state).toBe('queued');
  await pool.start('scheduler', '1');
  expect(await pool.client.waitForEnd(id)).toMatchObject({ state: 'succeeded', attempts: [{ number: 1 }] });
});
