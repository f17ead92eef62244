import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buildRequest, type LogRecord } from '@kiln/contracts';
import { type BuildRecord, isTerminal, type Outcome, type Trust } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import {
  HostNameTaken,
  type HostState,
  Leadership,
  openState,
  pendingBuild,
  type SecretContent,
  type State,
} from '@kiln/state';
import { decisionFor, moment, TestRedis } from '@kiln/state/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ExecuteRequest, Executor } from './executor.ts';
import { fixedExecutors } from './testing/fixed-executors.ts';
import { type RunningWorker, startWorker } from './worker.ts';

const LEASE = { leaseTtlMs: 3_000, syncEveryMs: 200, fenceMarginMs: 1_000 };

let redis: TestRedis;
let state: State;
let pools = 0;
let worker: RunningWorker | undefined;
let executor: FakeExecutor;
let token: string;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

beforeEach(async () => {
  const namespace = `worker-${++pools}`;
  state = await openState({ redisUrl: redis.url, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
  token = (await new Leadership(state.redis, state.keys, 'test', 60_000).hold()) ?? '';
  executor = new FakeExecutor();
  worker = undefined;
});
afterEach(async () => {
  // A test that failed while Redis was down would hang here, and hide its own reason.
  await redis.up();
  executor.finishAll();
  await worker?.drain(0);
  await state[Symbol.asyncDispose]();
});

/** Runs builds until the test ends them, and tells why it was asked to stop. */
class FakeExecutor implements Executor {
  readonly info = { driver: 'docker', engineVersion: '1', buildxVersion: '1', platforms: ['linux/amd64'] } as const;
  readonly started: ExecuteRequest[] = [];
  readonly stopped: unknown[] = [];
  fenceUntilMs = 0;
  /** Whether what is stopped ends only when the test says so. */
  holdsOut = false;
  #ends: ((outcome: Outcome) => void)[] = [];
  #onStart: (() => void)[] = [];

  run = async (request: ExecuteRequest, signal: AbortSignal): Promise<Outcome> => {
    this.started.push(request);
    for (const heard of this.#onStart.splice(0)) heard();
    return new Promise((resolve) => {
      this.#ends.push(resolve);
      signal.addEventListener('abort', () => {
        this.stopped.push(signal.reason);
        if (this.holdsOut) return;
        const code = signal.reason === 'cancel' ? 'canceled' : 'infrastructure';
        resolve({
          end: code === 'canceled' ? 'canceled' : 'failed',
          failure: { code, message: String(signal.reason) },
        });
      });
    });
  };

  extendFence = async (untilMs: number): Promise<void> => {
    this.fenceUntilMs = untilMs;
  };

  close = async (): Promise<void> => {};

  /** Resolves when `count` builds have been started. */
  async starts(count: number): Promise<void> {
    while (this.started.length < count) await new Promise<void>((resolve) => this.#onStart.push(resolve));
  }

  finishAll(outcome: Outcome = { end: 'succeeded' }): void {
    for (const end of this.#ends.splice(0)) end(outcome);
  }
}

const contexts = new Map([['sha256:'.padEnd(71, '0'), 'a tar']]);

async function startHost(machine = 'm1', name = 'h1', lease = LEASE): Promise<RunningWorker> {
  worker = await startWorker(
    { hostName: name, slots: 2, ...lease },
    {
      ...state,
      // Which builds run apart from which is not what is tested here.
      executors: fixedExecutors([executor, { ...executor, info: { ...executor.info, trust: 'untrusted' } }]),
      identity: { machine, incarnation: randomUUID() },
      openContext: async (digest) => {
        const content = contexts.get(digest);
        return content === undefined ? undefined : Readable.from([content]);
      },
      outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
      storeArtifact: async () => ({ digest: 'sha256:0', sizeBytes: 0 }),
      log: createLogger({ app: 'test', level: 'silent' }),
    },
  );
  return worker;
}

/** Accepts a build and assigns it to h1, as the scheduler does. */
async function assigned(
  more: {
    secrets?: Record<string, string>;
    digest?: string;
    source?: object;
    maxLogBytes?: number;
    storedSecrets?: string[];
    trust?: Trust;
    /** The job is put into the host's queue. Default: it is. */
    deliver?: boolean;
  } = {},
): Promise<string> {
  const { deliver = true } = more;
  const { secrets = {}, digest = [...contexts.keys()][0] ?? '', maxLogBytes, storedSecrets, trust } = more;
  const request = buildRequest.parse({ source: more.source ?? { type: 'upload', name: 'app', digest }, storedSecrets });
  const spec = { ...request, secrets: Object.keys(secrets) };
  const { build } = await state.builds.accept({ repo: 'app', spec, secrets, maxLogBytes, ...(trust && { trust }) });
  const pending = pendingBuild(build);
  const host = await state.hosts.get('h1');
  const decision = decisionFor(pending.id, 'h1');
  if (!host) throw new Error('no host');
  const chosen = { name: 'h1', incarnation: host.incarnation, slots: 2 };
  expect((await state.pending.assign(pending, chosen, decision, token)).outcome).toBe('assigned');
  if (deliver) await state.queues.enqueue('h1', { buildId: pending.id, attempt: 1 });
  return pending.id;
}

/** Waits until the build's record satisfies `done`. */
async function until(id: string, done: (build: BuildRecord) => boolean): Promise<BuildRecord> {
  for (;;) {
    const build = (await state.builds.get(id))?.record;
    if (build && done(build)) return build;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function logOf(id: string): Promise<LogRecord[]> {
  const batches = await state.logs.read(id, 1, 0, 1_000);
  return batches.flatMap(({ lines }) => lines.map((line) => JSON.parse(line) as LogRecord));
}

test('runs an assigned build with its secrets and context, writes its log, reports its end', async () => {
  await startHost();
  const id = await assigned({ secrets: { npm: 's3cret' } });
  await executor.starts(1);
  const [request] = executor.started;
  expect(request?.secrets).toEqual(new Map([['npm', 's3cret']]));
  if (request?.source.type !== 'tar') throw new Error('not a tar');
  expect(await (await request.source.open()).toArray()).toEqual(['a tar']);
  await request.sink({ t: 1, type: 'step', step: 1, name: 'RUN x', state: 'started' });
  executor.finishAll({ end: 'succeeded', steps: { total: 3, cached: 2 }, result: { digest: 'sha256:1' } });
  const build = await until(id, ({ state }) => isTerminal(state));
  expect(build).toMatchObject({ state: 'succeeded', steps: { total: 3, cached: 2 }, result: { digest: 'sha256:1' } });
  expect((await logOf(id)).map(({ type }) => type)).toEqual(['note', 'step', 'end']);
  expect((await state.hosts.get('h1'))?.held).toEqual([]);
});

test('hands no git source on from where it may not go, not of a known commit either', async () => {
  await startHost();
  const source = { type: 'git', url: 'http://127.0.0.1:1/app.git', ref: 'c'.repeat(40) };
  const build = await until(await assigned({ source }), ({ state }) => isTerminal(state));
  expect(build).toMatchObject({ state: 'failed', failure: { code: 'git_host_refused' } });
  expect(executor.started).toEqual([]);
});

test('keeps a log within the limit that the build was accepted with', async () => {
  await startHost();
  const id = await assigned({ maxLogBytes: 1_000 });
  await executor.starts(1);
  const [request] = executor.started;
  for (let t = 1; t <= 5; t += 1) {
    await request?.sink({ t, type: 'output', step: 1, stream: 'stdout', text: 'x'.repeat(400) } as never);
  }
  executor.finishAll();
  await until(id, ({ state }) => isTerminal(state));
  expect((await logOf(id)).map(({ type }) => type)).toEqual(['note', 'output', 'output', 'note', 'end']);
});

test('stops a canceled build, and only that one', async () => {
  await startHost();
  const canceled = await assigned();
  const other = await assigned();
  await executor.starts(2);
  await state.builds.cancel(canceled);
  expect(await until(canceled, ({ state }) => isTerminal(state))).toMatchObject({ state: 'canceled' });
  expect(executor.stopped).toEqual(['cancel']);
  executor.finishAll();
  expect(await until(other, ({ state }) => isTerminal(state))).toMatchObject({ state: 'succeeded' });
});

test('kills its builds before the lease ends when Redis is away, and hands them back when it returns', async () => {
  // The margin has room for a busy machine that does not run this process for a second or two.
  const lease = { leaseTtlMs: 6_000, syncEveryMs: 200, fenceMarginMs: 3_500 };
  await startHost('m1', 'h1', lease);
  const id = await assigned();
  await executor.starts(1);
  await redis.down();
  const leaseEnd = Date.now() + lease.leaseTtlMs;
  await expect.poll(() => executor.stopped, { timeout: 20_000, interval: 10 }).toEqual(['fence']);
  expect(Date.now()).toBeLessThan(leaseEnd);
  expect(executor.fenceUntilMs).toBeLessThan(leaseEnd);
  await redis.up();
  // The lease ended meanwhile: the pool takes the build back, or the renewed lease lets the host hand it back. Both requeue it.
  const build = await until(id, ({ state }) => state === 'queued');
  expect(build.attempts).toMatchObject([{ end: 'lost', failure: { code: 'infrastructure' } }]);
});

test('stops an attempt that the pool has taken back', async () => {
  await startHost();
  const id = await assigned();
  await executor.starts(1);
  await state.redis.hdel(state.keys.hostHeld('h1'), `${id}:1`);
  await expect.poll(() => executor.stopped, { timeout: 20_000, interval: 10 }).toEqual(['fence']);
});

test('a job that comes twice, or too late, runs nothing', async () => {
  await startHost();
  const id = await assigned();
  await executor.starts(1);
  executor.finishAll();
  await until(id, ({ state }) => isTerminal(state));
  await state.queues.enqueue('h1', { buildId: id, attempt: 1 });
  const next = await assigned();
  await executor.starts(2);
  expect(executor.started.map(({ buildId }) => buildId)).toEqual([id, next]);
});

test('drain finishes what runs, takes nothing new, and leaves the pool', async () => {
  const host = await startHost();
  const id = await assigned();
  await executor.starts(1);
  const drained = host.drain(60_000);
  while ((await state.hosts.get('h1'))?.report.accepting !== false)
    await new Promise((resolve) => setTimeout(resolve, 5));
  await expect(assigned()).rejects.toThrow();
  executor.finishAll();
  await drained;
  expect((await state.builds.get(id))?.record.state).toBe('succeeded');
  expect(await state.hosts.list()).toEqual([]);
});

test('a drain past its deadline hands the build back', async () => {
  const host = await startHost();
  const id = await assigned();
  await executor.starts(1);
  await host.drain(0);
  expect((await state.builds.get(id))?.record).toMatchObject({ state: 'queued' });
  expect(await state.hosts.list()).toEqual([]);
});

test('a build whose context is gone fails with what to do', async () => {
  await startHost();
  const id = await assigned({ digest: 'sha256:'.padEnd(71, '1') });
  const build = await until(id, ({ state }) => isTerminal(state));
  expect(build).toMatchObject({ state: 'failed', failure: { code: 'context_invalid' } });
  expect(executor.started).toEqual([]);
});

test('so does one whose secrets were sealed with another key', async () => {
  const namespace = state.keys.prefix.slice(1, -2);
  await startHost();
  await using stranger = await openState({
    redisUrl: redis.url,
    namespace,
    secretKey: Buffer.alloc(32, 2),
    onError: () => {},
  });
  const own = state;
  state = stranger;
  const id = await assigned({ secrets: { a: 'b' } });
  state = own;
  const build = await until(id, ({ state }) => isTerminal(state));
  expect(build).toMatchObject({ state: 'failed', failure: { code: 'secrets_expired' } });
});

describe('what its team keeps', () => {
  const keep = (name: string, content: SecretContent, untrustedOk = false) =>
    state.secrets.set({ team: 'default', name, content, untrustedOk, updatedBy: 'ada' });

  test('is given to a build as it is when that starts, with what no log may show', async () => {
    await startHost();
    await keep('NPM', { kind: 'build', value: 'hunter22' });
    await keep('r.example', { kind: 'registry', username: 'robot', password: 'hunter33' });
    await keep('git.example', { kind: 'git', token: 'hunter44', username: 'x' });
    const id = await assigned({ storedSecrets: ['NPM'], secrets: { own: 'hunter55' } });
    await executor.starts(1);
    const header = `basic ${Buffer.from('x:hunter44').toString('base64')}`;
    expect(executor.started[0]).toMatchObject({
      secrets: new Map([
        ['NPM', 'hunter22'],
        ['GIT_AUTH_HEADER.git.example', header],
        ['own', 'hunter55'],
      ]),
      registryLogins: [{ host: 'r.example', username: 'robot', password: 'hunter33' }],
      hidden: ['hunter44'],
    });
    const queued = await Promise.all((await state.redis.keys('*')).map((key) => state.redis.dump(key)));
    expect(queued.join('')).not.toMatch(/hunter/);
    executor.finishAll();
    await until(id, ({ state }) => isTerminal(state));
  });

  test.each([
    ['NONE', 'trusted', 'secret_missing'],
    ['CLOSED', 'untrusted', 'secret_withheld'],
    ['ALIEN', 'trusted', 'secret_unreadable'],
  ] as const)('%s fails a build that is %s and names it: %s, and nothing runs', async (name, trust, code) => {
    await startHost();
    await keep('CLOSED', { kind: 'build', value: 'hunter22' });
    const namespace = state.keys.prefix.slice(1, -2);
    await using stranger = await openState({
      ...{ redisUrl: redis.url, namespace, secretKey: Buffer.alloc(32, 2) },
      onError: () => {},
    });
    const content = { kind: 'build', value: 'hunter22' } as const;
    await stranger.secrets.set({ team: 'default', name: 'ALIEN', content, untrustedOk: false, updatedBy: 'ada' });
    const id = await assigned({ storedSecrets: [name], trust });
    const build = await until(id, ({ state }) => isTerminal(state));
    expect(build).toMatchObject({ state: 'failed', failure: { code, message: expect.stringContaining(name) } });
    expect(build.attempts).toHaveLength(1);
    expect(executor.started).toEqual([]);
  });

  test('and nobody named is left out of an untrusted build, and where it doesn’t open the log says so', async () => {
    await startHost();
    await keep('r.example', { kind: 'registry', username: 'robot', password: 'hunter33' });
    await keep('git.example', { kind: 'git', token: 'hunter44' });
    await keep('git.public', { kind: 'git', token: 'hunter66' }, true);
    await state.redis.hset(state.keys.teamSecretValues('default'), 'git  git.public', 'broken.AAAA');
    const id = await assigned({ trust: 'untrusted' });
    await executor.starts(1);
    expect(executor.started[0]).toMatchObject({ secrets: new Map(), registryLogins: [], hidden: [] });
    executor.finishAll();
    await until(id, ({ state }) => isTerminal(state));
    const warnings = (await logOf(id)).flatMap((record) => (record.type === 'warning' ? [record.message] : []));
    expect(warnings).toEqual([expect.stringMatching(/^the git token git\.public of team default can’t be opened/)]);
  });
});

describe('an attempt that its host holds', () => {
  test('begins by the answer to a report where its job is lost, and once where that comes late', async () => {
    await startHost();
    const id = await assigned({ deliver: false });
    await executor.starts(1);
    await state.queues.enqueue('h1', { buildId: id, attempt: 1 });
    const other = await assigned();
    await executor.starts(2);
    executor.finishAll();
    await until(id, ({ state }) => state === 'succeeded');
    await until(other, ({ state }) => state === 'succeeded');
    expect(executor.started.map(({ buildId }) => buildId)).toEqual([id, other]);
  });

  test.each([
    [false, { state: 'queued', attempts: [{ end: 'lost', failure: { code: 'infrastructure' } }] }],
    [true, { state: 'canceled' }],
  ])('and has begun, but that nothing runs, is settled at the next report; canceled: %s', async (canceled, ended) => {
    await startHost();
    const id = await assigned({ deliver: false });
    const { incarnation = '' } = (await state.hosts.get('h1')) ?? {};
    // As a process did that lost it.
    await state.attempts.start({ buildId: id, attempt: 1, host: 'h1', incarnation });
    if (canceled) await state.builds.cancel(id);
    expect(await until(id, ({ state }) => state !== 'running')).toMatchObject(ended);
    expect((await state.hosts.get('h1'))?.held).toEqual([]);
    expect(executor.started).toEqual([]);
  });

  test('and whose request is of a newer version goes back to the pool for a host that understands it', async () => {
    await startHost();
    const id = await assigned({ deliver: false });
    const key = state.keys.build(id);
    const spec = JSON.parse((await state.redis.hget(key, 'spec')) ?? '');
    await state.redis.hset(key, 'spec', JSON.stringify({ ...spec, gpus: 2 }));
    const ended = async () => (await state.builds.record(id))?.state === 'queued' || undefined;
    while (!(await ended())) await new Promise((resolve) => setTimeout(resolve, 10));
    const message = expect.stringMatching(/worker of host h1 does not understand the build.*"gpus"/);
    expect((await state.builds.record(id))?.attempts).toMatchObject([
      { end: 'lost', failure: { code: 'host_outdated', message } },
    ]);
    expect(executor.started).toEqual([]);
  });
});

test('a Redis that refuses writes for a while holds a build up, no more: its log is whole, it ends once, its slot is free', async () => {
  await startHost();
  const id = await assigned();
  await executor.starts(1);
  const [request] = executor.started;
  await state.redis.config('SET', 'min-replicas-to-write', '1');
  for (let t = 1; t <= 5; t += 1) {
    await request?.sink({ t, type: 'output', step: 1, stream: 'stdout', text: `${t}` } as never);
  }
  executor.finishAll();
  // Past the first tries of the log, and of the end.
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect((await state.builds.record(id))?.state).toBe('running');
  await state.redis.config('SET', 'min-replicas-to-write', '0');
  expect(await until(id, ({ state }) => isTerminal(state))).toMatchObject({ state: 'succeeded' });
  expect((await logOf(id)).map(({ type }) => type)).toEqual(['note', ...Array(5).fill('output'), 'end']);
  expect((await state.hosts.get('h1'))?.held).toEqual([]);
});

test('two machines can’t have the same name', async () => {
  const first = await startHost('m1');
  await expect(startHost('m2')).rejects.toThrow(HostNameTaken);
  worker = first;
});

describe('when Redis has lost the last writes', () => {
  const anyHost = async (seen: (host: HostState) => boolean) => {
    for (;;) {
      const host = await state.hosts.get('h1');
      if (host && seen(host)) return host;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };

  test('the end of an attempt is told again, and the build isn’t run again', async () => {
    await startHost();
    const id = await assigned();
    await executor.starts(1);
    const before = await moment(state.redis);
    executor.finishAll({ end: 'succeeded', result: { digest: 'sha256:1' } });
    await until(id, ({ state }) => state === 'succeeded');
    await before.rewind();
    expect((await state.builds.get(id))?.record.state).not.toBe('succeeded');
    const ended = await until(id, ({ state }) => isTerminal(state));
    expect(ended).toMatchObject({ state: 'succeeded', result: { digest: 'sha256:1' }, attempts: [{ number: 1 }] });
    expect(executor.started).toHaveLength(1);
  });

  test('an attempt whose assignment is lost is stopped, and until it has ended its host says that it runs it', async () => {
    await startHost();
    const before = await moment(state.redis);
    const id = await assigned();
    await executor.starts(1);
    // A build that is slow to stop.
    executor.holdsOut = true;
    await before.rewind();
    await anyHost(({ stale }) => stale?.includes(id) ?? false);
    expect(executor.stopped).toEqual(['fence']);
    executor.finishAll();
    await anyHost(({ stale }) => stale === undefined);
  });

  test('its log has the lost records again', async () => {
    await startHost();
    const id = await assigned();
    await executor.starts(1);
    const said = async () => (await logOf(id)).flatMap((entry) => (entry.type === 'note' ? [entry.message] : []));
    const say = async (message: string) => {
      await executor.started[0]?.sink({ t: 1, type: 'note', message });
      while (!(await said()).includes(message)) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await say('one');
    const before = await moment(state.redis);
    await say('two');
    await say('three');
    await before.rewind();
    await say('four');
    executor.finishAll();
    await until(id, ({ state }) => isTerminal(state));
    expect((await said()).slice(-4)).toEqual(['one', 'two', 'three', 'four']);
  });
});
