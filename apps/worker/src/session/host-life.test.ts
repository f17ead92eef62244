import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buildRequest } from '@kiln/contracts';
import { type BuildRecord, isTerminal, type Outcome } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { type HostState, Leadership, openState, pendingBuild, type State } from '@kiln/state';
import { decisionFor, TestRedis } from '@kiln/state/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ExecuteRequest, Executor } from '../engine/executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { type RunningWorker, startWorker } from '../worker.ts';
import type { WorkerOptions } from '../worker-options.ts';

/** Reports come so seldom that whatever is obeyed at once was brought forward by an event. */
const SELDOM = { leaseTtlMs: 60_000, syncEveryMs: 30_000, fenceMarginMs: 4_000 };
const DIGEST = `sha256:${'0'.repeat(64)}`;

let redis: TestRedis;
let state: State;
let pools = 0;
let executor: HeldExecutor;
let token: string;
let workers: RunningWorker[];

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

beforeEach(async () => {
  const namespace = `host-life-${++pools}`;
  state = await openState({ redisUrl: redis.url, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
  token = (await new Leadership(state.redis, state.keys, 'test', 60_000).hold()) ?? '';
  executor = new HeldExecutor();
  workers = [];
});
afterEach(async () => {
  executor.finish();
  await Promise.all(workers.map((worker) => worker.drain(0)));
  await state[Symbol.asyncDispose]();
});

/** Holds builds until the test lets them finish, and stops them as the real one does. */
class HeldExecutor implements Executor {
  readonly info = {
    driver: 'docker' as const,
    engineVersion: '26',
    buildxVersion: '0.13',
    buildkitVersion: '0.12',
    platforms: ['linux/amd64'],
  };
  readonly running = new Set<string>();
  readonly stopped: unknown[] = [];
  #ends: ((outcome: Outcome) => void)[] = [];

  run = async ({ buildId }: ExecuteRequest, signal: AbortSignal): Promise<Outcome> => {
    this.running.add(buildId);
    const outcome = await new Promise<Outcome>((resolve) => {
      this.#ends.push(resolve);
      signal.addEventListener('abort', () => {
        this.stopped.push(signal.reason);
        const code = signal.reason === 'drain' ? 'host_drained' : 'infrastructure';
        resolve({ end: 'failed', failure: { code, message: String(signal.reason) } });
      });
    });
    this.running.delete(buildId);
    return outcome;
  };

  extendFence = async (): Promise<void> => {};
  close = async (): Promise<void> => {};

  finish(): void {
    for (const end of this.#ends.splice(0)) end({ end: 'succeeded' });
  }
}

async function startHost(
  change: Partial<WorkerOptions> = {},
  incarnation: string = randomUUID(),
): Promise<RunningWorker> {
  const worker = await startWorker(
    { hostName: 'h1', slots: 2, labels: { disk: 'ssd' }, ...SELDOM, ...change },
    {
      ...state,
      executors: fixedExecutors([executor]),
      identity: { machine: 'm1', incarnation },
      openContext: async () => Readable.from(['a tar']),
      outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
      storeArtifact: async () => ({ digest: 'sha256:0', sizeBytes: 0 }),
      disk: async () => ({ totalBytes: 1_000, freeBytes: 400 }),
      log: createLogger({ app: 'test', level: 'silent' }),
    },
  );
  workers.push(worker);
  return worker;
}

/** Accepts a build and assigns it to h1; delivers its job unless told otherwise. */
async function assign({ deliver = true } = {}): Promise<string> {
  const request = buildRequest.parse({ source: { type: 'upload', name: 'app', digest: DIGEST } });
  const { build } = await state.builds.accept({ repo: 'app', spec: { ...request, secrets: [] }, secrets: {} });
  const pending = pendingBuild(build);
  const host = await state.hosts.get('h1');
  const decision = decisionFor(pending.id, 'h1');
  if (!host) throw new Error('no host');
  const chosen = { name: 'h1', incarnation: host.incarnation, slots: host.report.slots };
  const { outcome } = await state.pending.assign(pending, chosen, decision, token);
  if (outcome !== 'assigned') throw new Error(outcome);
  if (deliver) await state.queues.enqueue('h1', { buildId: pending.id, attempt: 1 });
  return pending.id;
}

async function until<T>(read: () => T | undefined | Promise<T | undefined>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (value !== undefined && holds(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
const runs = (id: string) =>
  until(
    () => executor.running.has(id),
    (does) => does,
  );
const build = (id: string, holds: (build: BuildRecord) => boolean) =>
  until(async () => (await state.builds.get(id))?.record, holds);
const host = (holds: (host: HostState) => boolean) => until(() => state.hosts.get('h1'), holds);
const HANDED_BACK = { end: 'lost', failure: { code: 'host_drained' } };

test('reports slots, labels, versions and its disk', async () => {
  await startHost();
  expect((await host(() => true)).report).toMatchObject({
    slots: 2,
    labels: { disk: 'ssd' },
    platforms: ['linux/amd64'],
    engineVersion: '26',
    buildkitVersion: '0.12',
    disk: { totalBytes: 1_000, freeBytes: 400 },
  });
});

describe('slots', () => {
  test('more than the worker was started with are used without a restart; fewer stop nothing', async () => {
    await startHost({ slots: 1 });
    const ids = [await assign()];
    await expect(assign()).rejects.toThrow('no_slot');
    await state.hostOperations.change('h1', { slots: 3 });
    ids.push(await assign(), await assign());
    await Promise.all(ids.map(runs));
    await state.hostOperations.change('h1', { slots: 1 });
    await expect(assign()).rejects.toThrow('no_slot');
    expect(executor.stopped).toEqual([]);
    executor.finish();
    await Promise.all(ids.map((id) => build(id, ({ state }) => state === 'succeeded')));
    await runs(await assign());
    await expect(assign()).rejects.toThrow('no_slot');
  });
});

describe('a drain by an operator', () => {
  test('lets everything finish; the worker stays, drained, and takes builds again when uncordoned', async () => {
    await startHost();
    const id = await assign();
    await runs(id);
    await state.hostOperations.drain('h1');
    await expect(assign()).rejects.toThrow('host_unfit');
    expect(executor.stopped).toEqual([]);
    executor.finish();
    await build(id, ({ state }) => state === 'succeeded');
    expect(await host(({ held }) => held.length === 0)).toMatchObject({ alive: true, draining: true });
    await state.hostOperations.uncordon('h1');
    await runs(await assign());
  });

  test('with a deadline hands back what runs then, as an attempt that counts for nothing', async () => {
    await startHost();
    const id = await assign();
    await runs(id);
    await state.hostOperations.drain('h1', 300);
    const again = await build(id, ({ state }) => state === 'queued');
    expect(executor.stopped).toEqual(['drain']);
    expect(again.attempts).toMatchObject([HANDED_BACK]);
    await host(({ held, alive }) => held.length === 0 && alive);
  });

  test('that is called off before its deadline stops nothing', async () => {
    await startHost({ syncEveryMs: 50 });
    const id = await assign();
    await runs(id);
    await state.hostOperations.drain('h1', 800);
    await state.hostOperations.uncordon('h1');
    const since = Date.now();
    await host(({ lastSeenAt }) => lastSeenAt > since + 1_000);
    expect(executor.stopped).toEqual([]);
  });

  test('hands back what hasn’t begun too, and doesn’t begin it when its job comes late', async () => {
    await startHost();
    const id = await assign({ deliver: false });
    await state.hostOperations.drain('h1', 0);
    expect((await build(id, ({ state }) => state === 'queued')).attempts).toMatchObject([HANDED_BACK]);
    await state.queues.enqueue('h1', { buildId: id, attempt: 1 });
    await state.hostOperations.uncordon('h1');
    const next = await assign();
    await runs(next);
    expect([...executor.running]).toEqual([next]);
  });

  test('leaves a canceled build canceled', async () => {
    await startHost();
    const id = await assign({ deliver: false });
    await state.builds.cancel(id);
    await state.hostOperations.drain('h1', 0);
    expect(await build(id, ({ state }) => isTerminal(state))).toMatchObject({
      state: 'canceled',
      attempts: [{ end: 'canceled', failure: { code: 'canceled' } }],
    });
  });

  test('is obeyed by a worker that starts only then', async () => {
    await startHost();
    await state.hostOperations.drain('h1');
    await workers[0]?.drain(0);
    await startHost({ exitWhenDrained: true });
    await expect(assign()).rejects.toThrow('host_unfit');
    expect(await workers[1]?.left).toBe('drained');
  });
});

describe('--exit', () => {
  test('the worker leaves by itself when the drain is complete, and its successor takes builds', async () => {
    const worker = await startHost({ exitWhenDrained: true });
    const id = await assign();
    await runs(id);
    await state.hostOperations.drain('h1');
    let isGone = false;
    void worker.left.then(() => {
      isGone = true;
    });
    await host(({ draining }) => draining);
    expect(isGone).toBe(false);
    executor.finish();
    expect(await worker.left).toBe('drained');
    expect((await state.builds.get(id))?.record.state).toBe('succeeded');
    expect(await state.hosts.list()).toEqual([]);
    await startHost({ exitWhenDrained: true });
    await runs(await assign());
  });

  test('a cordon, or an empty host, is no reason to leave', async () => {
    const worker = await startHost({ exitWhenDrained: true, syncEveryMs: 20 });
    await state.hostOperations.cordon('h1');
    const since = Date.now();
    await host(({ lastSeenAt }) => lastSeenAt > since + 200);
    expect(await Promise.race([worker.left, Promise.resolve('stays')])).toBe('stays');
  });
});

describe('removal', () => {
  test('of an idle host ends its worker at once, and for good', async () => {
    const worker = await startHost({}, 'i1');
    expect(await state.hostOperations.remove('h1', false)).toMatchObject({ outcome: 'removed' });
    expect(await worker.left).toBe('removed');
    await worker.drain(0);
    expect(await state.hosts.list()).toEqual([]);
    await expect(startHost({}, 'i1')).rejects.toMatchObject({ code: 'host_removed' });
  });

  test('by force hands everything back first, without a word from anybody else', async () => {
    const worker = await startHost();
    const ids = [await assign(), await assign({ deliver: false })];
    await runs(ids[0] ?? '');
    expect(await state.hostOperations.remove('h1', true)).toMatchObject({ outcome: 'removing' });
    expect(await worker.left).toBe('removed');
    for (const id of ids) {
      expect((await state.builds.get(id))?.record).toMatchObject({ state: 'queued', attempts: [HANDED_BACK] });
    }
    expect(await state.hosts.list()).toEqual([]);
  });
});

test('SIGTERM’s own drain past its deadline hands back in the same way', async () => {
  const worker = await startHost();
  const ids = [await assign(), await assign({ deliver: false })];
  await runs(ids[0] ?? '');
  await worker.drain(0);
  for (const id of ids) {
    expect((await state.builds.get(id))?.record).toMatchObject({ state: 'queued', attempts: [HANDED_BACK] });
  }
  expect(await state.hosts.list()).toEqual([]);
});
