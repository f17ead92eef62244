import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { HeldExecutor } from '../testing/held-executor.ts';
import { type TestHost, useTestHost } from '../testing/test-host.ts';

const fixture = useTestHost();
let host: TestHost;
let executor: HeldExecutor;

beforeEach(async () => {
  host = fixture.host;
  executor = new HeldExecutor();
  await host.start({}, { executors: fixedExecutors([executor]) });
});
afterEach(async () => {
  executor.finish();
});

test('an assigned attempt whose job is lost begins by the answer to a report, and only once if the job is late', async () => {
  const id = await host.assigned();
  await executor.starts(1);
  await host.enqueue(id);
  const other = await host.deliver();
  await executor.starts(2);
  executor.finish();
  for (const one of [id, other]) expect(await host.build(one)).toMatchObject({ state: 'succeeded' });
  expect(executor.started.map(({ buildId }) => buildId)).toEqual([id, other]);
});

test.each([
  ['an attempt', false, { state: 'queued', attempts: [{ end: 'lost', failure: { code: 'infrastructure' } }] }],
  ['a canceled attempt', true, { state: 'canceled' }],
])('%s that has begun but doesn’t run is settled after the next report', async (_, canceled, ended) => {
  const { incarnation } = await host.host();
  // A report in flight ends only when the fence is extended, and the next one waits for it: one in between would begin the attempt here.
  const inFlight = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  const extending = vi.spyOn(executor, 'extendFence').mockImplementation(() => {
    inFlight.resolve();
    return answered.promise;
  });
  await inFlight.promise;
  const id = await host.assigned();
  // As a worker did that has lost it since.
  await host.state.attempts.start({ buildId: id, attempt: 1, host: 'h1', incarnation });
  extending.mockRestore();
  answered.resolve();
  if (canceled) await host.state.builds.cancel(id);
  expect(await host.build(id, ({ state }) => state === 'queued' || state === 'canceled')).toMatchObject(ended);
  expect((await host.host()).held).toEqual([]);
  expect(executor.started).toEqual([]);
});

test('a build with a request of a newer version goes back to the pool with host_outdated', async () => {
  const id = await host.assigned();
  const key = host.state.keys.build(id);
  const spec = JSON.parse((await host.state.redis.hget(key, 'spec')) ?? '');
  await host.state.redis.hset(key, 'spec', JSON.stringify({ ...spec, gpus: 2 }));
  const { builds } = host.state;
  await expect.poll(async () => (await builds.record(id))?.state, { timeout: 60_000 }).toBe('queued');
  const message = expect.stringMatching(/worker of host h1 is too old to understand this build.*"gpus"/);
  expect((await builds.record(id))?.attempts).toMatchObject([
    { end: 'lost', failure: { code: 'host_outdated', message } },
  ]);
  expect(executor.started).toEqual([]);
});
