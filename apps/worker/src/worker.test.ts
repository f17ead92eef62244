import { Readable } from 'node:stream';
import { HostNameTaken } from '@kiln/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fixedExecutors } from './testing/fixed-executors.ts';
import { HeldExecutor } from './testing/held-executor.ts';
import { type TestHost, useTestHost } from './testing/test-host.ts';
import type { RunningWorker } from './worker.ts';

const LEASE = { leaseTtlMs: 3_000, syncEveryMs: 200, fenceMarginMs: 1_000 };

const fixture = useTestHost();
let host: TestHost;
let executor: HeldExecutor;

beforeEach(async () => {
  host = fixture.host;
  executor = new HeldExecutor();
});
afterEach(async () => {
  executor.finish();
});

function start(machine = 'm1', lease = LEASE): Promise<RunningWorker> {
  return host.start(lease, {
    executors: fixedExecutors([executor]),
    identity: { machine, incarnation: machine },
    openContext: async (digest) => (digest.endsWith('0') ? Readable.from(['a tar']) : undefined),
  });
}

const logTypes = async (id: string) => (await host.log(id)).map(({ type }) => type);
const output = (t: number, text: string) => ({ t, type: 'output', step: 1, stream: 'stdout', text }) as never;

test('runs an assigned build with its secrets and context, writes its log and reports its end', async () => {
  await start();
  const id = await host.deliver({ secrets: { npm: 's3cret' } });
  await executor.starts(1);
  const [request] = executor.started;
  expect(request?.secrets).toEqual(new Map([['npm', 's3cret']]));
  if (request?.source.type !== 'tree') throw new Error('not a tree');
  const tar = await request.source.tar?.(AbortSignal.timeout(1_000));
  expect(await tar?.toArray()).toEqual(['a tar']);
  await request.sink({ t: 1, type: 'step', step: 1, name: 'RUN x', state: 'started' });
  executor.finish({ end: 'succeeded', steps: { total: 3, cached: 2 }, result: { digest: 'sha256:1' } });
  const build = await host.build(id);
  expect(build).toMatchObject({ state: 'succeeded', steps: { total: 3, cached: 2 }, result: { digest: 'sha256:1' } });
  expect(await logTypes(id)).toEqual(['note', 'step', 'end']);
  expect((await host.host()).held).toEqual([]);
});

test('fails a build whose git server may not be reached, even if its commit is known', async () => {
  await start();
  const source = { type: 'git', url: 'http://127.0.0.1:1/app.git', ref: 'c'.repeat(40) } as const;
  const build = await host.build(await host.deliver({ request: { source } }));
  expect(build).toMatchObject({ state: 'failed', failure: { code: 'git_host_refused' } });
  expect(executor.started).toEqual([]);
});

test('keeps a log within the limit with which the build was accepted', async () => {
  await start();
  const id = await host.deliver({ maxLogBytes: 1_000 });
  await executor.starts(1);
  for (let t = 1; t <= 5; t += 1) await executor.started[0]?.sink(output(t, 'x'.repeat(400)));
  executor.finish();
  await host.build(id);
  expect(await logTypes(id)).toEqual(['note', 'output', 'output', 'note', 'end']);
});

test('stops a canceled build and no other', async () => {
  await start();
  const canceled = await host.deliver();
  const other = await host.deliver();
  await executor.starts(2);
  await host.state.builds.cancel(canceled);
  expect(await host.build(canceled)).toMatchObject({ state: 'canceled' });
  expect(executor.stopped).toEqual(['cancel']);
  executor.finish();
  expect(await host.build(other)).toMatchObject({ state: 'succeeded' });
});

test('stops an attempt that the pool has reclaimed', async () => {
  await start();
  const id = await host.deliver();
  await executor.starts(1);
  await host.state.redis.hdel(host.state.keys.hostHeld('h1'), `${id}:1`);
  await executor.stops();
  expect(executor.stopped).toEqual(['fence']);
});

test('runs nothing for a job that arrives twice or too late', async () => {
  await start();
  const id = await host.deliver();
  await executor.starts(1);
  executor.finish();
  await host.build(id);
  await host.enqueue(id);
  const next = await host.deliver();
  await executor.starts(2);
  expect(executor.started.map(({ buildId }) => buildId)).toEqual([id, next]);
});

test('throws HostNameTaken if another machine has the name', async () => {
  await start('m1');
  await expect(start('m2')).rejects.toThrow(HostNameTaken);
});

describe('while Redis fails', () => {
  test('kills its builds before the lease ends, and hands them back when Redis returns', async () => {
    // The margin leaves room for a busy machine that doesn't schedule this process for a second or two.
    const lease = { leaseTtlMs: 6_000, syncEveryMs: 200, fenceMarginMs: 3_500 };
    await start('m1', lease);
    const id = await host.deliver();
    await executor.starts(1);
    await fixture.redis.down();
    const leaseEnd = Date.now() + lease.leaseTtlMs;
    await executor.stops();
    expect(executor.stopped).toEqual(['fence']);
    expect(Date.now()).toBeLessThan(leaseEnd);
    expect(executor.fenceUntilMs).toBeLessThan(leaseEnd);
    await fixture.redis.up();
    // The pool has reclaimed the build after the end of the lease, or the host hands it back with a renewed one. Both requeue it.
    const build = await host.build(id, ({ state }) => state === 'queued');
    expect(build.attempts).toMatchObject([{ end: 'lost', failure: { code: 'infrastructure' } }]);
  });

  test('holds a build up until Redis accepts writes again, with a complete log, one end and a free slot', async () => {
    const { builds, redis: client } = host.state;
    await start();
    const id = await host.deliver();
    await executor.starts(1);
    await client.config('SET', 'min-replicas-to-write', '1');
    for (let t = 1; t <= 5; t += 1) await executor.started[0]?.sink(output(t, `${t}`));
    executor.finish();
    // After the first tries of the log and of the end.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await builds.record(id)).toMatchObject({ state: 'running' });
    await client.config('SET', 'min-replicas-to-write', '0');
    expect(await host.build(id)).toMatchObject({ state: 'succeeded' });
    expect(await logTypes(id)).toEqual(['note', ...Array(5).fill('output'), 'end']);
    expect((await host.host()).held).toEqual([]);
  });
});

describe('drain', () => {
  test('finishes running builds, accepts no new ones, and leaves the pool', async () => {
    const worker = await start();
    const id = await host.deliver();
    await executor.starts(1);
    const drained = worker.drain(60_000);
    await host.host(({ report }) => report.accepting === false);
    await expect(host.deliver()).rejects.toThrow();
    executor.finish();
    await drained;
    expect((await host.state.builds.get(id))?.record).toMatchObject({ state: 'succeeded' });
    expect(await host.state.hosts.list()).toEqual([]);
  });

  test('hands running builds back after its deadline', async () => {
    const worker = await start();
    const id = await host.deliver();
    await executor.starts(1);
    await worker.drain(0);
    expect((await host.state.builds.get(id))?.record).toMatchObject({ state: 'queued' });
    expect(await host.state.hosts.list()).toEqual([]);
  });
});
