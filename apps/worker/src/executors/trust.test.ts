import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buildRequest } from '@kiln/contracts';
import { type BuildRecord, type Granted, isTerminal, type Outcome, type Trust } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { Leadership, openState, pendingBuild, type State } from '@kiln/state';
import { decisionFor, TestRedis } from '@kiln/state/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ExecuteRequest, Executor } from '../engine/executor.ts';
import { fixedExecutors } from '../testing/fixed-executors.ts';
import { type RunningWorker, startWorker } from '../worker.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
let redis: TestRedis;
let state: State;
let worker: RunningWorker | undefined;
let pools = 0;
let builders: Record<Trust, FakeBuilder>;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  const namespace = `trust-${++pools}`;
  state = await openState({ redisUrl: redis.url, namespace, secretKey: Buffer.alloc(32, 1), onError: () => {} });
  builders = { trusted: new FakeBuilder('trusted'), untrusted: new FakeBuilder('untrusted') };
  worker = undefined;
});
afterEach(async () => {
  await worker?.drain(0);
  await state[Symbol.asyncDispose]();
});

/** Builds at once, and notes what. */
class FakeBuilder implements Executor {
  readonly info: Executor['info'];
  readonly ran: ExecuteRequest[] = [];
  fencedUntilMs = 0;
  isAway = false;

  constructor(trust: Trust) {
    this.info = {
      trust,
      driver: 'docker-container',
      engineVersion: '1',
      buildxVersion: '1',
      platforms: ['linux/amd64'],
    };
  }

  run = async (request: ExecuteRequest): Promise<Outcome> => {
    this.ran.push(request);
    return { end: 'succeeded' };
  };
  ping = async () => {
    if (this.isAway) throw new Error('no such container');
  };
  extendFence = async (untilMs: number) => {
    this.fencedUntilMs = untilMs;
  };
  close = async () => {};
}

async function startHost(...classes: [Trust, ...Trust[]]): Promise<void> {
  const [first, ...more] = classes;
  worker = await startWorker(
    { hostName: 'h1', slots: 2, leaseTtlMs: 5_000, syncEveryMs: 200, fenceMarginMs: 1_000 },
    {
      ...state,
      executors: fixedExecutors([builders[first], ...more.map((trust) => builders[trust])]),
      identity: { machine: 'm1', incarnation: randomUUID() },
      outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
      openContext: async () => Readable.from(['a tar']),
      storeArtifact: async () => ({ digest: '', sizeBytes: 0 }),
      engineCheckEveryMs: 10,
      log: createLogger({ app: 'test', level: 'silent' }),
    },
  );
}

interface Wish {
  readonly request?: object;
  readonly secrets?: Record<string, string>;
  readonly granted?: Granted;
  /** What the leader takes its class for. */
  readonly takenFor?: Trust;
}

/** Gets a build past the API, which would look at it first, and to the host; answers its record when `seen`. */
async function deliver(
  trust: Trust,
  { request = {}, secrets = {}, granted, takenFor = trust }: Wish = {},
  seen: (record: BuildRecord) => boolean = ({ state: now }) => isTerminal(now),
): Promise<BuildRecord> {
  const parsed = buildRequest.parse({ source: { type: 'upload', name: 'app', digest: DIGEST }, ...request });
  const spec = { ...parsed, secrets: Object.keys(secrets) };
  const { build } = await state.builds.accept({ repo: 'app', spec, secrets, trust, ...(granted && { granted }) });
  const { id } = build.record;
  const token = (await new Leadership(state.redis, state.keys, 'test', 60_000).hold()) ?? '';
  const host = await state.hosts.get('h1');
  const chosen = { name: 'h1', incarnation: host?.incarnation ?? '', slots: 2 };
  const pending = { ...pendingBuild(build), trust: takenFor };
  const assigned = await state.pending.assign(pending, chosen, decisionFor(id, 'h1'), token);
  if (assigned.outcome !== 'assigned') throw new Error(assigned.outcome);
  await state.queues.enqueue('h1', { buildId: id, attempt: 1 });
  for (;;) {
    const record = (await state.builds.get(id))?.record;
    if (record && seen(record)) return record;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function away(...domains: string[]): Promise<void> {
  while ((await state.hosts.get('h1'))?.report.domainsAway?.join() !== domains.join()) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('the builder of its class', () => {
  test('runs a build, under a cache key that is no other class’s', async () => {
    await startHost('trusted', 'untrusted');
    await deliver('trusted');
    await deliver('untrusted');
    const ran = ({ ran: requests }: FakeBuilder) => requests.map(({ trust, repo }) => [trust, repo]);
    expect(ran(builders.trusted)).toEqual([['trusted', 'app']]);
    expect(ran(builders.untrusted)).toEqual([['untrusted', 'untrusted default app']]);
    expect(builders.untrusted.fencedUntilMs).toBeGreaterThan(Date.now());
    expect(builders.untrusted.fencedUntilMs).toBe(builders.trusted.fencedUntilMs);
  });

  test('is told in the report; a host without it isn’t given such a build, whoever decides so', async () => {
    await startHost('untrusted');
    expect((await state.hosts.get('h1'))?.report.trust).toEqual(['untrusted']);
    await expect(deliver('trusted')).rejects.toThrow('host_unfit');
    await deliver('untrusted');
  });

  test('a build that comes to a host without it all the same goes back to the pool', async () => {
    await startHost('trusted');
    const back = await deliver('untrusted', { takenFor: 'trusted' }, ({ state: now }) => now === 'queued');
    expect(back.attempts).toMatchObject([
      { end: 'lost', failure: { code: 'infrastructure', message: 'this host has no builder for untrusted builds' } },
    ]);
    expect(builders.trusted.ran).toEqual([]);
  });

  test('that is away takes its domain from the host, and nothing else', async () => {
    await startHost('trusted', 'untrusted');
    builders.untrusted.isAway = true;
    await away('untrusted');
    expect((await state.hosts.get('h1'))?.report.accepting).toBe(true);
    await deliver('trusted');
    builders.trusted.isAway = true;
    while ((await state.hosts.get('h1'))?.report.accepting) await new Promise((resolve) => setTimeout(resolve, 5));
    builders.untrusted.isAway = false;
    await away('trusted');
    builders.trusted.isAway = false;
    await away('');
    while (!(await state.hosts.get('h1'))?.report.accepting) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe('what an untrusted build may not have, a worker refuses, too', () => {
  const push = { request: { output: { type: 'push' }, tags: ['r.example/previews/app:1'] } };

  test.each([
    ['a push', push, 'output.type: "push"; expected "none" or "artifact": the build is untrusted'],
    ['a load', { request: { output: { type: 'load' } }, granted: { push: true } }, 'output.type: "load"'],
    ['a secret', { secrets: { npm: 's3cret' } }, 'secrets: npm; expected none: the build is untrusted'],
    ['another secret', { secrets: { npm: 'a', a: 'b' }, granted: { secrets: ['a'] } }, 'secrets: npm; expected none'],
  ])('%s', async (_what, wish, words) => {
    await startHost('trusted', 'untrusted');
    const { state: end, failure, attempts } = await deliver('untrusted', wish);
    expect([end, failure?.code, attempts.length]).toEqual(['failed', 'trust_refused', 1]);
    expect(failure?.message).toContain(words);
    expect(builders.untrusted.ran).toEqual([]);
    expect(await deliver('trusted', wish)).toMatchObject({ state: 'succeeded' });
  });

  test('unless a rule lets it have that, as was noted when it was accepted', async () => {
    await startHost('untrusted');
    const granted = { push: true, secrets: ['npm'] };
    expect(await deliver('untrusted', { ...push, secrets: { npm: 'x' }, granted })).toMatchObject({
      state: 'succeeded',
    });
    expect(builders.untrusted.ran[0]?.secrets).toEqual(new Map([['npm', 'x']]));
  });
});
