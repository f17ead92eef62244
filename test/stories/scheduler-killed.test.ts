import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { quick } from '../support/dockerfiles.ts';
import { expectWhole } from '../support/logs.ts';
import { sharedPool } from '../support/pool/start-pool.ts';
import { scenario } from '../support/scenario/scenario.ts';

const thePool = sharedPool(() => ({ schedulers: 2, slots: 1 }));

test('when the leading scheduler is killed, the other one takes over: running builds continue, waiting ones are placed once', async () => {
  await scenario(thePool())
    .hang('running')
    .submit('waiting')
    .submit('waiting#2')
    .submit('waiting#3')
    .step('kill the leader, and expect another one', async ({ pool }) => {
      const leader = await pool.leader();
      await pool.kill('scheduler', leader);
      expect(await pool.leader()).not.toBe(leader);
    })
    .submit('late')
    .release('running')
    .step('expect one whole attempt of each build', async ({ pool, builds }) => {
      for (const { id } of builds) {
        expect(await pool.end(id)).toMatchObject({ state: 'succeeded', attempts: [{ end: 'succeeded' }] });
        expectWhole(await pool.log(id), 1);
      }
    })
    .run();
});

test('without any scheduler builds are accepted, and placed when a scheduler starts', async () => {
  const pool = thePool();
  await Promise.all(['1', '2'].map((name) => pool.kill('scheduler', name)));
  const { id, state } = await pool.submit(quick(randomUUID()));
  expect(state).toBe('queued');
  await pool.start('scheduler', '1');
  expect(await pool.client.waitForEnd(id)).toMatchObject({ state: 'succeeded', attempts: [{ number: 1 }] });
});
