import { expect, test } from 'vitest';
import { hanging } from '../support/dockerfiles.ts';
import { expectWhole, outputOf } from '../support/logs.ts';
import { startPool } from '../support/pool.ts';

test('a build whose worker is killed ends once, by a second attempt on another host', async () => {
  await using pool = await startPool({ workers: ['a', 'b'] });
  const seconds = pool.sleepSeconds();
  const { id } = await pool.submit(hanging(seconds));
  await pool.sleeping(seconds, id);
  const { host: first = '' } = await pool.client.get(id);
  await pool.kill('worker', first);
  // The watchdog's kill comes before the lease's end: nothing of attempt 1 is left when attempt 2 is handed out.
  await pool.awake(seconds);
  expect((await pool.client.get(id)).attempts).toHaveLength(1);
  await pool.sleeping(seconds, id, 2);
  await pool.release(seconds);
  const build = await pool.client.waitForEnd(id);
  expect(build).toMatchObject({
    state: 'succeeded',
    attempts: [
      { number: 1, host: first, end: 'lost', failure: { code: 'host_lost' } },
      { number: 2, host: first === 'a' ? 'b' : 'a', end: 'succeeded' },
    ],
  });
  const log = await pool.log(id);
  expectWhole(log, 2);
  expect(outputOf(log).match(/begun/g)).toHaveLength(2);
  expect(outputOf(log).match(/released/g)).toHaveLength(1);
});
