import { expect, test } from 'vitest';
import { expectWhole, outputOf } from '../support/logs.ts';
import { startPool } from '../support/pool/start-pool.ts';

test('a worker that joined by URL and token is drained for an update: it hands its build back at the deadline and exits', async () => {
  const worker: NodeJS.ProcessEnv = { KILN_EXIT_WHEN_DRAINED: 'true' };
  await using pool = await startPool({ workers: [], env: { api: { KILN_JOIN_TOKEN: 'join-me' }, worker } });
  // This is all that a worker is given; the API tells it the rest.
  Object.assign(worker, {
    KILN_JOIN_URL: pool.client.url,
    KILN_JOIN_TOKEN: 'join-me',
    KILN_REDIS_URL: '',
    KILN_NAMESPACE: '',
    KILN_SECRET_KEY: '',
    KILN_BLOB_DIR: '',
  });
  await Promise.all([pool.start('worker', 'a'), pool.start('worker', 'b')]);

  const build = await pool.hang();
  const first = await build.host();
  const second = first === 'a' ? 'b' : 'a';
  const updated = pool.process('worker', first);
  await pool.client.drainHost(first, { deadlineSeconds: 1 });
  expect(await updated.exited).toEqual({ code: 0, signal: null });
  await build.hangs(2);
  expect((await pool.client.hosts()).map(({ name, state }) => [name, state])).toEqual([[second, 'ready']]);

  await pool.start('worker', first);
  expect((await pool.client.hosts()).map(({ state }) => state)).toEqual(['ready', 'ready']);
  await build.release();
  expect(await pool.client.waitForEnd(build.id)).toMatchObject({
    state: 'succeeded',
    attempts: [
      { number: 1, host: first, end: 'lost', failure: { code: 'host_drained' } },
      { number: 2, host: second, end: 'succeeded' },
    ],
  });
  const log = await pool.log(build.id);
  expectWhole(log, 2);
  expect(outputOf(log).match(/begun/g)).toHaveLength(2);
});
