import { buildRequest } from '@kiln/contracts';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HostNameTaken, WorkerReplaced } from '../hosts/errors.ts';
import { Leadership } from '../leases/leadership.ts';
import { openState, type State } from '../open-state.ts';
import { decisionFor } from '../testing/decision.ts';
import { TestRedis } from '../testing/test-redis.ts';
import type { AttemptRef } from './attempt-store.ts';
import { StaleAttempt } from './errors.ts';
import { pendingBuild } from './pending-store.ts';

const LEASE_MS = 60_000;
let redis: TestRedis;
let state: State;
let pools = 0;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

beforeEach(async () => {
  state = await openState({
    redisUrl: redis.url,
    namespace: `attempts-${++pools}`,
    secretKey: Buffer.alloc(32, 1),
    onError: () => {},
  });
  return () => state[Symbol.asyncDispose]();
});

const report = (name: string) => ({
  name,
  slots: 2,
  platforms: ['linux/amd64'],
  labels: {},
  driver: 'docker' as const,
  engineVersion: '1',
  buildxVersion: '1',
  accepting: true,
});
const join = (name = 'h1', incarnation = 'i1', machine = 'm1') =>
  state.hosts.sync(report(name), { machine, incarnation }, LEASE_MS);
const endLease = (name = 'h1') => state.redis.del(state.keys.hostLease(name));
const lead = async (owner = 'me') => {
  const token = await new Leadership(state.redis, state.keys, owner, LEASE_MS).hold();
  if (token === undefined) throw new Error(`${owner} doesn't lead`);
  return token;
};
const ref = (buildId: string, attempt = 1, incarnation = 'i1', host = 'h1'): AttemptRef => ({
  buildId,
  attempt,
  incarnation,
  host,
});

async function submit(): Promise<string> {
  const spec = { ...buildRequest.parse({ source: { type: 'upload', name: 'app' } }), secrets: [] };
  return (await state.builds.accept({ repo: 'app', spec, secrets: {} })).build.record.id;
}

async function assign(id: string, token: string, incarnation = 'i1', host = 'h1') {
  const build = await state.builds.get(id);
  if (!build) throw new Error('gone');
  const pending = pendingBuild(build);
  const decision = decisionFor(pending.id, host);
  return (await state.pending.assign(pending, { name: host, incarnation, slots: 2 }, decision, token)).outcome;
}

async function running(): Promise<{ id: string; token: string }> {
  await join();
  const token = await lead();
  const id = await submit();
  expect(await assign(id, token)).toBe('assigned');
  await state.attempts.start(ref(id));
  return { id, token };
}

describe('assigning', () => {
  test('takes a slot, and is refused when none is free', async () => {
    await join();
    const token = await lead();
    const outcomes = [];
    for (let i = 0; i < 3; i++) outcomes.push(await assign(await submit(), token));
    expect(outcomes).toEqual(['assigned', 'assigned', 'no_slot']);
    expect((await state.hosts.get('h1'))?.held).toHaveLength(2);
  });

  test('concurrently never takes more than the slots', async () => {
    await join();
    const token = await lead();
    const ids = await Promise.all(Array.from({ length: 12 }, submit));
    const outcomes = await Promise.all([...ids, ...ids].map((id) => assign(id, token)));
    expect(outcomes.filter((outcome) => outcome === 'assigned')).toHaveLength(2);
    expect((await state.hosts.get('h1'))?.held).toHaveLength(2);
  });

  test('is refused for a scheduler that no longer leads', async () => {
    await join();
    const old = await lead('old');
    await state.redis.del(state.keys.leader());
    const token = await lead('new');
    const id = await submit();
    expect(await assign(id, old)).toBe('not_leader');
    expect(await assign(id, token)).toBe('assigned');
  });

  test('is refused for hosts that are lost, restarted, cordoned or draining', async () => {
    const token = await lead();
    const id = await submit();
    expect(await assign(id, token)).toBe('host_unfit');
    await join('h1', 'i2');
    expect(await assign(id, token, 'i1')).toBe('host_unfit');
    await state.hostOperations.cordon('h1');
    expect(await assign(id, token, 'i2')).toBe('host_unfit');
    await state.hostOperations.uncordon('h1');
    await state.hosts.sync({ ...report('h1'), accepting: false }, { machine: 'm1', incarnation: 'i2' }, LEASE_MS);
    expect(await assign(id, token, 'i2')).toBe('host_unfit');
  });
});

describe('an attempt', () => {
  test('ends its build, releases the slot and completes the log in one step', async () => {
    const { id } = await running();
    await state.logs.append(ref(id), 1, ['{"n":1}', '{"n":2}']);
    const settled = await state.attempts.settle(ref(id), { end: 'succeeded', steps: { total: 2, cached: 1 } });
    expect(settled).toMatchObject({ state: 'succeeded', steps: { total: 2, cached: 1 } });
    expect((await state.hosts.get('h1'))?.held).toEqual([]);
    const lines = (await state.logs.read(id, 1, 0, 10)).flatMap((batch) => batch.lines);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { n: 1 },
      { n: 2 },
      {
        ...{ t: expect.any(Number), type: 'end', state: 'succeeded' },
        ...{ host: 'h1', ms: expect.any(Number), steps: { total: 2, cached: 1 } },
      },
    ]);
    expect(await state.logs.unarchived(10)).toEqual([{ buildId: id, attempt: 1 }]);
    expect(await state.attempts.settle(ref(id), { end: 'succeeded' })).toEqual(settled);
  });

  test('is canceled by the answer to its host’s report', async () => {
    const { id } = await running();
    expect((await state.builds.cancel(id))?.outcome).toBe('requested');
    expect((await join()).attempts).toEqual([
      { buildId: id, attempt: 1, nonce: expect.any(String), cancel: true, begun: true },
    ]);
  });

  test('that was reclaimed is refused every write: start, pin, log and end', async () => {
    const { id, token } = await running();
    await state.logs.append(ref(id), 1, ['{"n":1}']);
    await endLease();
    const failure = { code: 'host_lost', message: 'gone' } as const;
    expect((await state.attempts.reclaim(ref(id), failure, token)).outcome).toBe('reclaimed');
    await join('h1', 'i1');
    await expect(state.logs.append(ref(id), 3, ['{"late":1}'])).rejects.toThrow(StaleAttempt);
    await expect(state.attempts.settle(ref(id), { end: 'succeeded' })).rejects.toThrow(StaleAttempt);
    await expect(state.attempts.pin(ref(id), 'c')).rejects.toThrow(StaleAttempt);
    await expect(state.attempts.start(ref(id))).rejects.toThrow(StaleAttempt);
    expect((await state.builds.get(id))?.record).toMatchObject({ state: 'queued' });
    expect(await state.pending.queuedIds()).toEqual([id]);
    const last = (await state.logs.read(id, 1, 0, 10)).flatMap(({ lines }) => lines).at(-1) ?? '';
    expect(JSON.parse(last)).toMatchObject({ type: 'end', state: 'queued', failure: { code: 'host_lost' } });
  });

  test('of a host without a lease can’t end its build, which may run elsewhere', async () => {
    const { id } = await running();
    await endLease();
    await expect(state.attempts.settle(ref(id), { end: 'succeeded' })).rejects.toThrow(StaleAttempt);
    expect((await state.builds.get(id))?.record).toMatchObject({ state: 'running' });
  });

  test('is not reclaimed from a live host, nor by a scheduler that doesn’t lead', async () => {
    const { id, token } = await running();
    const failure = { code: 'host_lost', message: 'gone' } as const;
    expect((await state.attempts.reclaim(ref(id), failure, token)).outcome).toBe('alive');
    await endLease();
    expect((await state.attempts.reclaim(ref(id), failure, '1-stale')).outcome).toBe('not_leader');
    expect((await state.builds.get(id))?.record).toMatchObject({ state: 'running' });
  });
});

describe('logs', () => {
  test('ignore repeated batches and refuse gaps', async () => {
    const { id } = await running();
    await state.logs.append(ref(id), 1, ['{"n":1}', '{"n":2}']);
    await state.logs.append(ref(id), 1, ['{"n":1}', '{"n":2}']);
    await expect(state.logs.append(ref(id), 4, ['{"n":4}'])).rejects.toMatchObject({ code: 'corrupt_state' });
    await state.logs.append(ref(id), 3, ['{"n":3}']);
    expect((await state.logs.read(id, 1, 1, 10)).flatMap(({ lines }) => lines)).toEqual(['{"n":2}', '{"n":3}']);
  });

  test('give a reader that resumes anywhere exactly the rest', async () => {
    const { id } = await running();
    let written = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 30 }), fc.nat(), async (count, anywhere) => {
        await state.logs.append(
          ref(id),
          written + 1,
          Array.from({ length: count }, (_, i) => String(written + 1 + i)),
        );
        written += count;
        const from = anywhere % (written + 1);
        const batches = await state.logs.read(id, 1, from, 10_000);
        const got = batches.flatMap(({ firstSeq, lines }) => lines.map((line, i) => [firstSeq + i, Number(line)]));
        expect(got).toEqual(Array.from({ length: written - from }, (_, i) => [from + 1 + i, from + 1 + i]));
      }),
      { numRuns: 60 },
    );
  });

  test('have tails that wait for new records', async () => {
    const { id } = await running();
    await using tail = state.logs.openTail(id, 1, 0);
    const next = tail.next();
    await state.logs.append(ref(id), 1, ['{"n":1}']);
    expect(await next).toEqual([{ firstSeq: 1, lines: ['{"n":1}'] }]);
    const stop = new AbortController();
    const nothing = tail.next(stop.signal);
    stop.abort();
    expect(await nothing).toEqual([]);
  });
});

describe('hosts', () => {
  test('keep their name for one machine while they have a lease, but let its newer worker take over', async () => {
    await join('h1', 'i1', 'm1');
    await expect(join('h1', 'x1', 'm2')).rejects.toThrow(HostNameTaken);
    await join('h1', 'i2', 'm1');
    await expect(join('h1', 'i1', 'm1')).rejects.toThrow(WorkerReplaced);
    expect((await state.hosts.get('h1'))?.incarnation).toBe('i2');
    await endLease();
    await join('h1', 'x1', 'm2');
    await expect(join('h1', 'i2', 'm1')).rejects.toThrow(HostNameTaken);
  });

  test('don’t inherit the attempts of an earlier incarnation', async () => {
    const { id, token } = await running();
    expect((await join('h1', 'i2')).attempts).toEqual([]);
    const failure = { code: 'host_lost', message: 'restarted' } as const;
    expect((await state.attempts.reclaim(ref(id), failure, token)).outcome).toBe('reclaimed');
  });

  test('leave the pool with nothing but their last report, for an hour, if they hold no attempts', async () => {
    await join();
    await state.hosts.leave('h1', 'i1');
    expect(await state.hosts.list()).toEqual([]);
    expect((await state.redis.keys(`${state.keys.prefix}host:*`)).length).toBe(0);
    const { report } = (await state.hosts.departed())[0] ?? {};
    expect(report?.name).toBe('h1');
    expect(await state.redis.pttl(state.keys.hostsDeparted())).toBeLessThanOrEqual(3_600_000);
  });
});

test('a restart of Redis loses nothing that was acknowledged', async () => {
  const { id } = await running();
  await state.logs.append(ref(id), 1, ['{"n":1}']);
  await redis.down('SIGKILL');
  const waiting = state.logs.append(ref(id), 2, ['{"n":2}']);
  await redis.up();
  await waiting;
  await state.attempts.settle(ref(id), { end: 'succeeded' });
  expect((await state.builds.get(id))?.record).toMatchObject({ state: 'succeeded' });
  expect((await state.logs.read(id, 1, 0, 10)).flatMap(({ lines }) => lines)).toHaveLength(3);
});
