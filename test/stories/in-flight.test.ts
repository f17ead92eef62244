import { expect, test } from 'vitest';
import { hanging, quick } from '../support/dockerfiles.ts';
import { expectWhole, outputOf } from '../support/logs.ts';
import { sharedPool } from '../support/pool.ts';

const thePool = sharedPool(() => ({ apis: 2, slots: 1 }));

test('a newer build of the same key stops the one that runs and ends the one that waits, though its API is killed', async () => {
  const pool = thePool();
  const keyed = { concurrencyKey: 'main', supersede: 'running' } as const;
  const seconds = pool.sleepSeconds();
  const runs = await pool.submit(hanging(seconds), { concurrencyKey: 'main', supersede: 'queued' });
  await pool.sleeping(seconds, runs.id);
  const waits = await pool.submit(quick('waits'), { concurrencyKey: 'main', supersede: 'queued' });
  const newest = await pool.submit(quick(seconds), keyed);
  await pool.kill('api', '1');
  const client = pool.clientOf('2');
  const [ran, waited, built] = await Promise.all([runs, waits, newest].map(({ id }) => client.waitForEnd(id)));
  const superseded = { state: 'canceled', supersededBy: newest.id, failure: { code: 'superseded' } };
  expect(ran).toMatchObject({ ...superseded, attempts: [{ number: 1, end: 'canceled' }] });
  expect(waited).toMatchObject({ ...superseded, attempts: [] });
  expect(built).toMatchObject({ state: 'succeeded', attempts: [{ number: 1 }] });
  await pool.awake(seconds);
});

test('two callers share one run; the one whose run it is cancels, the other gets log and result', async () => {
  const pool = thePool();
  const seconds = pool.sleepSeconds();
  const same = { name: 'shared', dedupe: true };
  const first = await pool.submit(hanging(seconds), same);
  await pool.sleeping(seconds, first.id);
  const second = await pool.submit(hanging(seconds), same);
  expect(second).toMatchObject({ state: 'queued', sharedRun: first.id });
  const { build, confirmed } = await pool.client.cancel(first.id);
  expect({ confirmed, build }).toMatchObject({ confirmed: true, build: { state: 'running' } });
  expect(build.releasedAt).toBeDefined();
  const log = Array.fromAsync(pool.client.followLog(second.id));
  await pool.release(seconds);
  expect(await pool.client.waitForEnd(second.id)).toMatchObject({
    state: 'succeeded',
    attempts: [],
    sharedRun: first.id,
  });
  expectWhole(await log, 1);
  expect(outputOf(await log)).toContain('released');
  expect((await pool.client.get(first.id)).attempts).toHaveLength(1);
  const { redis, keys } = await pool.state();
  const left = await redis.keys(`${keys.prefix}*`);
  expect(left.filter((key) => /:(?:share|interest|due|concurrency)\b/.test(key))).toEqual([]);
});
