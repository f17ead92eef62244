import { expect, test } from 'vitest';
import { expectWhole, outputOf } from '../support/logs.ts';
import { startPool } from '../support/pool/start-pool.ts';
import { scenario } from '../support/scenario/scenario.ts';

test('a build whose worker is killed ends once, by a second attempt on another host', async () => {
  let first = '';
  await scenario()
    .redis()
    .host('a')
    .host('b')
    .hang('app')
    .step('kill its worker', async ({ pool, hostOf }) => {
      first = await hostOf('app');
      await pool.kill('worker', first);
    })
    // The watchdog kills the RUN before the lease ends: nothing of attempt 1 is left when attempt 2 is assigned.
    .expectStopped('app')
    .step('expect no second attempt yet', async ({ pool, build }) => {
      expect((await pool.client.get(build('app').id)).attempts).toHaveLength(1);
    })
    .expectHangs('app', 2)
    .release('app')
    .expectEnd('app', () => ({
      state: 'succeeded',
      attempts: [
        { number: 1, host: first, end: 'lost', failure: { code: 'host_lost' } },
        { number: 2, host: first === 'a' ? 'b' : 'a', end: 'succeeded' },
      ],
    }))
    .step('expect the whole log of both attempts', async ({ pool, build }) => {
      const log = await pool.log(build('app').id);
      expectWhole(log, 2);
      expect(outputOf(log).match(/begun/g)).toHaveLength(2);
      expect(outputOf(log).match(/released/g)).toHaveLength(1);
    })
    .run();
});

test('a worker that is stopped while it starts leaves no tool container', async () => {
  // Its disposal throws for a container that is left.
  await using pool = await startPool({ workers: ['a'] });
  await pool.kill('worker', 'a', 'SIGTERM');
  const starting = pool.launch('worker', 'a');
  await starting.said('tool container started');
  expect(await starting.end('SIGTERM')).toMatchObject({ code: 0 });
});
