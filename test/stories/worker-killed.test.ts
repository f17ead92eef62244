import { expect, test } from 'vitest';
import { expectWhole, outputOf } from '../support/logs.ts';
import { startPool } from '../support/pool/start-pool.ts';

test('a build whose worker is killed ends once, by a second attempt on another host', async () => {
  await using pool = await startPool({ workers: ['a', 'b'] });
  const build = await pool.hang();
  const first = await build.host();
  await pool.kill('worker', first);
  // The watchdog kills the RUN before the lease ends: nothing of attempt 1 is left when attempt 2 is assigned.
  await build.stopped();
  expect((await pool.client.get(build.id)).attempts).toHaveLength(1);
  await build.hangs(2);
  await build.release();
  expect(await pool.client.waitForEnd(build.id)).toMatchObject({
    state: 'succeeded',
    attempts: [
      { number: 1, host: first, end: 'lost', failure: { code: 'host_lost' } },
      { number: 2, host: first === 'a' ? 'b' : 'a', end: 'succeeded' },
    ],
  });
  const log = await pool.log(build.id);
  expectWhole(log, 2);
  expect(outputOf(log).match(/begun/g)).toHaveLength(2);
  expect(outputOf(log).match(/released/g)).toHaveLength(1);
});
