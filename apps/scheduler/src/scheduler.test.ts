import { buildRequest } from '@kiln/contracts';
import { type BuildRecord, FIRST_GUESS, limitDefaults } from '@kiln/domain';
import { createLogger } from '@kiln/runtime';
import {
  BuildStore,
  consumeAttempts,
  InventoryStore,
  Leadership,
  openState,
  pendingBuild,
  Sealer,
  type State,
  UsageStore,
} from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RunningScheduler, type SchedulerConfig, type SchedulerDeps, startScheduler } from './scheduler.ts';

const CONFIG = { leaderTtlMs: 1_000, tickMs: 100, buildRetentionMs: 3_600_000, limits: limitDefaults() };
const log = createLogger({ app: 'test', level: 'silent' });

let redis: TestRedis;
let state: State;
let pools = 0;
let running: RunningScheduler[];
/** By how much the pool's clock is ahead, ms. */
let later = 0;
const now = () => Date.now() + later;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

beforeEach(async () => {
  const namespace = `scheduler-${++pools}`;
  later = 0;
  const secretKey = Buffer.alloc(32, 1);
  state = await openState({ redisUrl: redis.url, namespace, secretKey, onError: () => {}, now });
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((scheduler) => scheduler.close()));
  await state[Symbol.asyncDispose]();
});

function startOne(
  owner: string,
  config: SchedulerConfig = CONFIG,
  more: Partial<SchedulerDeps> = {},
): RunningScheduler {
  const leadership = new Leadership(state.redis, state.keys, owner, config.leaderTtlMs);
  const scheduler = startScheduler(config, { ...state, leadership, log, now, ...more });
  running.push(scheduler);
  return scheduler;
}

const join = (name: string, { slots = 2, ttlMs = 60_000, incarnation = 'i1' } = {}) =>
  state.hosts.sync(
    {
      name,
      slots,
      platforms: ['linux/amd64'],
      labels: {},
      driver: 'docker',
      engineVersion: '1',
      buildxVersion: '1',
      accepting: true,
    },
    { machine: `m-${name}`, incarnation },
    ttlMs,
  );

/** `builds`: the API process that takes it. Default: one that lives. */
async function submit(
  more: object = {},
  builds: Pick<BuildStore, 'accept'> = state.builds,
  submitter?: string,
): Promise<string> {
  const spec = { ...buildRequest.parse({ source: { type: 'upload', name: 'app' }, ...more }), secrets: [] };
  return (await builds.accept({ repo: 'app', spec, secrets: {}, submitter })).build.record.id;
}

/** Waits until `seen` of what `read` gives. */
async function until<T>(read: () => Promise<T>, seen: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (seen(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const build = (id: string, seen: (build: BuildRecord) => boolean) =>
  until(
    async () => (await state.builds.get(id))?.record,
    (record) => record !== undefined && seen(record),
  );
const hostOf = (record: BuildRecord | undefined) => record?.attempts.at(-1)?.host;

/** The build's attempt starts, runs so long, and ends. */
async function run(id: string, ms: number, end: 'succeeded' | 'failed' = 'succeeded'): Promise<void> {
  const { attempts } = (await build(id, ({ state }) => state === 'assigned')) ?? {};
  const { number: attempt = 0, host = '', incarnation = '' } = attempts?.at(-1) ?? {};
  const ref = { buildId: id, attempt, host, incarnation };
  await state.attempts.start(ref);
  later += ms;
  const failure = { code: 'build_failed', message: 'exit code 1' } as const;
  await state.attempts.settle(ref, end === 'failed' ? { end, failure } : { end });
}

/** The host's worker reports caches: bytes by mount. */
const holds = (host: string, mounts: Record<string, number>) =>
  new InventoryStore(state.redis, state.keys).publish(
    { host, incarnation: 'i1' },
    {
      sizesAreFloors: false,
      usedBytes: 100,
      mounts: Object.entries(mounts).map(([id, bytes]) => ({ id, bytes, lastUsedAt: now(), inUse: false, records: 1 })),
      mountsLeftOut: 0,
      layers: { count: 0, bytes: 0 },
      repoLayers: [],
    },
    now(),
  );

/** What `app` uses of caches, and that its builds take 20 s with them and 200 s without. */
async function knowApp(): Promise<void> {
  const used = { mounts: [{ id: 'app//go', bytes: 100 }], layerBytes: 0, sizesAreFloors: false };
  await new UsageStore(state.redis, state.keys).learn({ host: 'a', incarnation: 'i1' }, 'app', used);
  const runs = (mean: number) => ({ mean, samples: 9, drift: 0, spread: 0 });
  const estimate = { warm: runs(20_000), cold: runs(200_000), bytes: 100 };
  const leadership = new Leadership(state.redis, state.keys, 'before', 60_000);
  const token = (await leadership.hold()) ?? '';
  const pool = { estimate: FIRST_GUESS, horizonMs: 3_600_000, watchedSince: now() - 3_600_000 };
  await state.learned.save(pool, [['app', { estimate, demand: { value: 1, at: now() } }]], token);
  await leadership.release();
}

describe('placing', () => {
  test('gives builds to free hosts, delivers their jobs, and stores why', async () => {
    await join('a');
    await join('b');
    startOne('s1');
    const ids = [await submit(), await submit()];
    const records = await Promise.all(ids.map((id) => build(id, ({ state }) => state === 'assigned')));
    expect(new Set(records.map(hostOf))).toEqual(new Set(['a', 'b']));
    const jobs: string[] = [];
    const consumers = ['a', 'b'].map((host) =>
      consumeAttempts(state.redis, state.keys, host, { concurrency: 1, onError: () => {} }, async ({ buildId }) => {
        jobs.push(buildId);
      }),
    );
    await until(
      async () => jobs.length,
      (count) => count === 2,
    );
    expect(new Set(jobs)).toEqual(new Set(ids));
    await Promise.all(consumers.map((consumer) => consumer[Symbol.asyncDispose]()));
    const [decision] = await state.builds.decisions(ids[0] ?? '');
    expect(decision).toMatchObject({ attempt: 1, reason: 'cold', host: hostOf(records[0]) });
    expect(decision?.considered).toHaveLength(2);
  });

  test('never hands a host more than its slots; a freed slot brings the next, the oldest first', async () => {
    await join('a', { slots: 1 });
    startOne('s1');
    const [first = '', second = '', third = ''] = [await submit(), await submit(), await submit()];
    await build(first, ({ state }) => state === 'assigned');
    const waiting = await until(
      () => state.builds.decisions(second),
      (decisions) => decisions.length > 0,
    );
    expect(waiting).toMatchObject([{ attempt: 1, host: null, reason: 'all_full' }]);
    expect((await state.builds.get(second))?.record.state).toBe('queued');
    const ref = { buildId: first, attempt: 1, host: 'a', incarnation: 'i1' };
    await state.attempts.start(ref);
    await state.attempts.settle(ref, { end: 'succeeded' });
    await build(second, ({ state }) => state === 'assigned');
    expect((await state.builds.get(third))?.record.state).toBe('queued');
  });

  test('a build without any host that fits waits, and takes the first that joins', async () => {
    startOne('s1');
    const id = await submit({ platforms: ['linux/amd64'] });
    await until(
      () => state.builds.decisions(id),
      ([decision]) => decision?.reason === 'no_host',
    );
    await join('late');
    expect(hostOf(await build(id, ({ state }) => state === 'assigned'))).toBe('late');
  });
});

describe('warmth', () => {
  test('a build goes to the host that holds its repo’s caches, and the decision says so', async () => {
    await Promise.all(['b', 'a', 'c'].map((name) => join(name)));
    await knowApp();
    await holds('a', { 'app//go': 100 });
    startOne('s1');
    const id = await submit();
    expect(hostOf(await build(id, ({ state }) => state === 'assigned'))).toBe('a');
    const [decision] = await state.builds.decisions(id);
    expect(decision).toMatchObject({ host: 'a', reason: 'warm', predicted: { warmth: 1, runMs: 20_000 } });
    const verdicts = decision?.considered.map(({ host, warmth, verdict }) => [host, warmth, verdict]);
    expect(verdicts?.[0]).toEqual(['a', 1, 'chosen']);
    expect(verdicts?.slice(1).sort()).toEqual([
      ['b', 0, 'later'],
      ['c', 0, 'later'],
    ]);
  });

  test('one waits for a busy host with its caches, says for which, and runs there; the wait is told afterwards, too', async () => {
    await Promise.all([join('a', { slots: 1 }), join('b', { slots: 1 })]);
    await knowApp();
    await holds('a', { 'app//go': 100 });
    startOne('s1');
    const first = await submit();
    await build(first, ({ state }) => state === 'assigned');
    const second = await submit();
    const [waiting] = await until(
      () => state.builds.decisions(second),
      (decisions) => decisions.length > 0,
    );
    expect(waiting).toMatchObject({ host: null, reason: 'waits_for_warm' });
    expect(waiting?.considered.map(({ host, verdict }) => [host, verdict])).toEqual([
      ['a', 'awaited'],
      ['b', 'later'],
    ]);
    await run(first, 20_000);
    expect(hostOf(await build(second, ({ state }) => state === 'assigned'))).toBe('a');
    const reasons = (await state.builds.decisions(second)).map(({ host, reason }) => [host, reason]);
    expect(reasons).toEqual([
      [null, 'waits_for_warm'],
      ['a', 'warm'],
    ]);
  });

  test('a host that evicted them is no warmer than the others', async () => {
    await Promise.all([join('a'), join('b')]);
    await knowApp();
    await holds('a', { 'app//go': 100 });
    startOne('s1');
    const before = await submit();
    expect(hostOf(await build(before, ({ state }) => state === 'assigned'))).toBe('a');
    // A failed build leaves what its host then reports, no more.
    await run(before, 20_000, 'failed');
    await holds('a', {});
    const id = await submit();
    await build(id, ({ state }) => state === 'assigned');
    const [decision] = await state.builds.decisions(id);
    expect(decision).toMatchObject({ reason: 'cold', predicted: { warmth: 0 } });
    expect(decision?.considered.map(({ warmth }) => warmth)).toEqual([0, 0]);
  });

  test('how long builds take is learned from those that ran, and the next leader knows it', async () => {
    await join('a', { slots: 1 });
    const first = startOne('s1');
    await run(await submit(), 90_000);
    await until(
      () => state.learned.load(),
      ({ repos }) => repos.has('app'),
    );
    await first.close();
    startOne('s2');
    const id = await submit();
    await build(id, ({ state }) => state === 'assigned');
    const [decision] = await state.builds.decisions(id);
    expect(decision?.predicted?.runMs).toBeGreaterThanOrEqual(90_000);
    expect(decision?.predicted?.runMs).toBeLessThan(95_000);
  });

  test('unchanged reasons aren’t written again', async () => {
    await join('a', { slots: 1 });
    startOne('s1');
    await build(await submit(), ({ state }) => state === 'assigned');
    const id = await submit();
    await until(
      () => state.builds.decisions(id),
      (decisions) => decisions.length > 0,
    );
    await state.redis.del(state.keys.decisions(id));
    const others = [await submit(), await submit()];
    for (const other of others)
      await until(
        () => state.builds.decisions(other),
        (decisions) => decisions.length > 0,
      );
    expect(await state.builds.decisions(id)).toEqual([]);
    await join('b', { slots: 1 });
    await build(id, ({ state }) => state === 'assigned');
  });
});

describe('limits', () => {
  const whyOf = async (id: string) => (await state.builds.decisions(id)).at(-1);
  const limited = (id: string, reason: string) =>
    until(
      () => whyOf(id),
      (decision) => decision?.reason === reason,
    );
  const settle = async (id: string) => {
    const ref = { buildId: id, attempt: 1, host: 'a', incarnation: 'i1' };
    await state.attempts.start(ref);
    await state.attempts.settle(ref, { end: 'succeeded' });
  };

  test('a team gets no more at a time than it may; the rest waits and says so, and others have the slots', async () => {
    await state.limits.change({ kind: 'team', name: 'web' }, { concurrentBuilds: 2 });
    const web = await Promise.all([1, 2, 3, 4, 5].map(() => submit({ team: 'web' })));
    const ops = [await submit({ team: 'ops' }), await submit({ team: 'ops' })];
    await join('a', { slots: 6 });
    startOne('s1');
    for (const id of ops) await build(id, ({ state }) => state === 'assigned');
    const states = async () =>
      (await Promise.all(web.map((id) => state.builds.get(id)))).map((one) => one?.record.state);
    await until(states, (all) => all.filter((one) => one === 'assigned').length === 2);
    const waiting = web.filter((_, i) => i >= 2);
    for (const id of waiting) {
      expect(await limited(id, 'team_limit')).toMatchObject({ host: null, limit: 2, considered: [] });
    }
    expect(await state.limits.usage({ kind: 'team', name: 'web' })).toEqual({ running: 2, queued: 3 });
    await settle(web[0] ?? '');
    await build(waiting[0] ?? '', ({ state }) => state === 'assigned');
    expect(await state.limits.usage({ kind: 'team', name: 'web' })).toEqual({ running: 2, queued: 2 });
    // A raised limit counts at once.
    await state.limits.change({ kind: 'team', name: 'web' }, { concurrentBuilds: null });
    for (const id of waiting) await build(id, ({ state }) => state === 'assigned');
  });

  test('what goes over a limit isn’t even tried, though placement would have room for it', async () => {
    await state.limits.change({ kind: 'team', name: 'web' }, { concurrentBuilds: 1 });
    const ids = await Promise.all([1, 2, 3].map(() => submit({ team: 'web' })));
    await join('a', { slots: 6 });
    const outcomes: string[] = [];
    const { pending } = state;
    const watched = Object.assign(Object.create(pending), {
      queuedIds: () => pending.queuedIds(),
      assignedIds: () => pending.assignedIds(),
      explain: (...args: Parameters<typeof pending.explain>) => pending.explain(...args),
      assign: async (...args: Parameters<typeof pending.assign>) => {
        const assigned = await pending.assign(...args);
        outcomes.push(assigned.outcome);
        return assigned;
      },
    }) as typeof pending;
    startOne('s1', CONFIG, { pending: watched });
    await limited(ids[1] ?? '', 'team_limit');
    await limited(ids[2] ?? '', 'team_limit');
    expect(outcomes).toEqual(['assigned']);
  });

  test('one that no host takes doesn’t keep those of its team behind it from running', async () => {
    await state.limits.change({ kind: 'team', name: 'web' }, { concurrentBuilds: 1 });
    const stuck = await submit({ team: 'web', hostLabels: { disk: 'none' } });
    await join('a');
    startOne('s1');
    await limited(stuck, 'none_fits');
    await build(await submit({ team: 'web' }), ({ state }) => state === 'assigned');
    await limited(stuck, 'team_limit');
  });

  test('a credential has limits of its own, and a new leader counts what runs', async () => {
    await state.limits.change({ kind: 'token', name: 'ci' }, { concurrentBuilds: 1 });
    await join('a', { slots: 4 });
    const first = startOne('s1');
    const one = await submit({}, state.builds, 'ci');
    await build(one, ({ state }) => state === 'assigned');
    await first.close();
    startOne('s2');
    const other = await submit({}, state.builds, 'ci');
    await build(await submit({}, state.builds, 'me'), ({ state }) => state === 'assigned');
    expect(await limited(other, 'token_limit')).toMatchObject({ limit: 1 });
    await settle(one);
    await build(other, ({ state }) => state === 'assigned');
  });

  test('those by default hold, too, and what a host loses is given back', async () => {
    const limits = limitDefaults({ eachTeam: { concurrentBuilds: 1 } });
    await join('dying', { ttlMs: 400, slots: 4 });
    startOne('s1', { ...CONFIG, limits });
    const [first, second] = [await submit(), await submit()];
    await build(first, ({ state }) => state === 'assigned');
    await limited(second, 'team_limit');
    await join('other', { slots: 4 });
    // Whichever of the two it is: one and no more runs on the other host.
    await until(
      async () =>
        (await Promise.all([first, second].map((id) => state.builds.get(id)))).map((one) => hostOf(one?.record)),
      (hosts) => hosts.includes('other'),
    );
    expect(await state.limits.usage({ kind: 'team', name: 'default' })).toEqual({ running: 1, queued: 1 });
  });
});

describe('taking back', () => {
  test('a host without a lease loses its builds to another', async () => {
    await join('dying', { ttlMs: 400 });
    startOne('s1');
    const id = await submit();
    await build(id, ({ state }) => state === 'assigned');
    await join('other');
    const again = await build(id, ({ attempts, state }) => attempts.length === 2 && state === 'assigned');
    expect(again?.attempts).toMatchObject([
      { host: 'dying', end: 'lost', failure: { code: 'host_lost' } },
      { host: 'other' },
    ]);
    expect(await state.hosts.get('dying')).toMatchObject({ alive: false, held: [] });
  });

  test('so does one whose worker was restarted: the new one knows nothing of the old one’s builds', async () => {
    await join('a', { incarnation: 'i1' });
    startOne('s1');
    const id = await submit();
    await build(id, ({ state }) => state === 'assigned');
    await join('a', { incarnation: 'i2' });
    const again = await build(id, ({ attempts, state }) => attempts.length === 2 && state === 'assigned');
    expect(again?.attempts).toMatchObject([{ incarnation: 'i1', end: 'lost' }, { incarnation: 'i2' }]);
    expect((await state.hosts.get('a'))?.held).toEqual([{ buildId: id, attempt: 2, weight: 1 }]);
  });

  test('a canceled build whose host is lost ends as canceled', async () => {
    await join('dying', { ttlMs: 400 });
    startOne('s1');
    const id = await submit();
    await build(id, ({ state }) => state === 'assigned');
    await state.builds.cancel(id);
    expect((await build(id, ({ state }) => state === 'canceled'))?.failure).toMatchObject({ code: 'canceled' });
  });

  test('a build that its host reports not to run for long goes on elsewhere; one that it runs stays', async () => {
    const report = async (runs: string[], name = 'a') => {
      const { report: before, incarnation, machine } = (await state.hosts.get(name)) ?? {};
      if (!before) throw new Error('no host');
      await state.hosts.sync(
        before,
        { machine: machine ?? '', incarnation: incarnation ?? '' },
        60_000,
        runs.map((buildId) => ({ buildId, attempt: 1 })),
      );
    };
    await join('a');
    startOne('s1', { ...CONFIG, idleAttemptMs: 1_000 });
    const [idle, busy] = [await submit(), await submit()];
    for (const id of [idle, busy]) await build(id, ({ state }) => state === 'assigned');
    await join('other');
    const again = await until(
      async () => {
        await report([busy]);
        return (await state.builds.get(idle))?.record;
      },
      (record) => record?.attempts.length === 2,
    );
    expect(again?.attempts).toMatchObject([
      { host: 'a', end: 'lost', failure: { code: 'infrastructure' } },
      { host: 'other' },
    ]);
    expect((await state.builds.get(busy))?.record.attempts).toHaveLength(1);
  });

  test('a slot that nothing holds any more is given back', async () => {
    await join('a', { slots: 1 });
    await state.redis.hset(state.keys.hostHeld('a'), 'nobody:1', '1');
    startOne('s1');
    const id = await submit();
    await build(id, ({ state }) => state === 'assigned');
  });
});

describe('leading', () => {
  test('a failed read at an attempt’s end doesn’t leave its slot taken for the leader', async () => {
    await join('a', { slots: 1 });
    let [fails, failed] = [false, 0];
    const builds = {
      get: (id: string) => state.builds.get(id),
      record: async (id: string) => {
        if (fails && failed++ === 0) throw new Error("OOM command not allowed when used memory > 'maxmemory'.");
        return await state.builds.record(id);
      },
    };
    startOne('s1', CONFIG, { builds: builds as never });
    const first = await submit();
    const { attempts } = (await build(first, ({ state }) => state === 'assigned')) ?? {};
    const ref = { buildId: first, attempt: 1, host: 'a', incarnation: attempts?.[0]?.incarnation ?? '' };
    await state.attempts.start(ref);
    fails = true;
    await state.attempts.settle(ref, { end: 'succeeded' });
    await build(await submit(), ({ state }) => state === 'assigned');
    expect(failed).toBeGreaterThan(0);
  });

  test('a build whose request is of a newer version waits, and holds up neither the leader nor other builds', async () => {
    await join('a');
    const newer = await submit();
    const key = state.keys.build(newer);
    const spec = JSON.parse((await state.redis.hget(key, 'spec')) ?? '');
    await state.redis.hset(key, 'spec', JSON.stringify({ ...spec, gpus: 2 }));
    startOne('s1');
    await build(await submit(), ({ state }) => state === 'assigned');
    expect((await state.builds.record(newer))?.state).toBe('queued');
  });

  test('one of two leads; when it dies the other goes on, also with what was assigned but not delivered', async () => {
    await join('a');
    // A leader that dies between the assignment and its job.
    const owner = new Leadership(state.redis, state.keys, 'dying', 500);
    const token = (await owner.hold()) ?? '';
    startOne('s2');
    const id = await submit();
    const stored = await state.builds.get(id);
    if (!stored) throw new Error('gone');
    const pending = pendingBuild(stored);
    const decision = { build: id, host: 'a', reason: 'cold', decidedAt: 0, considered: [] } as const;
    await state.pending.assign(pending, { name: 'a', incarnation: 'i1', slots: 2 }, decision, token);
    const delivered = new Promise<unknown>((resolve) => {
      const consumer = consumeAttempts(
        state.redis,
        state.keys,
        'a',
        { concurrency: 1, onError: () => {} },
        async (job) => resolve(job),
      );
      running.push({ close: () => Promise.resolve(consumer[Symbol.asyncDispose]()) });
    });
    expect(await delivered).toEqual({ buildId: id, attempt: 1, nonce: expect.any(String) });
    expect(await owner.hold()).toBeUndefined();
  });

  test('a scheduler that is stopped makes room at once', async () => {
    await join('a');
    const first = startOne('s1', { ...CONFIG, leaderTtlMs: 60_000 });
    await until(
      () => state.redis.get(state.keys.leader()),
      (owner) => owner === 's1',
    );
    startOne('s2', { ...CONFIG, leaderTtlMs: 60_000 });
    await first.close();
    const id = await submit();
    await build(id, ({ state }) => state === 'assigned');
    expect(await state.redis.get(state.keys.leader())).toBe('s2');
  });
});

describe('what others have decided', () => {
  test('a build that a newer one supersedes ends, though the API died right after it accepted the newer one', async () => {
    const sealer = new Sealer(Buffer.alloc(32, 1));
    const followUps = { run: () => Promise.reject(new Error('killed')) };
    const dying = new BuildStore({ redis: state.redis, keys: state.keys, sealer, followUps });
    const keyed = { concurrencyKey: 'main', supersede: 'queued' };
    await join('a', { slots: 1 });
    startOne('s1');
    const running = await submit(keyed);
    await build(running, ({ state }) => state === 'assigned');
    const older = await submit(keyed);
    const newer = await submit(keyed, dying);
    const ended = await build(older, ({ state }) => state === 'canceled');
    expect(ended).toMatchObject({ supersededBy: newer, failure: { code: 'superseded' } });
    const ref = { buildId: running, attempt: 1, host: 'a', incarnation: 'i1' };
    await state.attempts.start(ref);
    await state.attempts.settle(ref, { end: 'succeeded' });
    await build(newer, ({ state }) => state === 'assigned');
  });

  test('an outdated build that a lost host gives back is not run again', async () => {
    const keyed = { concurrencyKey: 'main', supersede: 'queued' };
    await join('dying', { ttlMs: 1_000, slots: 1 });
    startOne('s1');
    const older = await submit(keyed);
    await build(older, ({ state }) => state === 'assigned');
    const newer = await submit(keyed);
    await join('other', { slots: 2 });
    const ended = await build(older, ({ state }) => state === 'canceled');
    expect(ended?.attempts).toMatchObject([{ host: 'dying', end: 'lost' }]);
    expect(ended).toMatchObject({ supersededBy: newer });
    expect(hostOf(await build(newer, ({ state }) => state === 'assigned'))).toBe('other');
  });

  test('builds that share a run are never placed, and end when the run does', async () => {
    startOne('s1');
    await until(
      () => state.redis.get(state.keys.leader()),
      (owner) => owner === 's1',
    );
    const [run = '', ...sharers] = [
      await submit({ dedupe: true }),
      await submit({ dedupe: true }),
      await submit({ dedupe: true }),
    ];
    const last = await submit({ target: 'last' });
    await until(
      () => state.builds.decisions(last),
      ([decision]) => decision?.reason === 'no_host',
    );
    await join('a');
    await build(run, ({ state }) => state === 'assigned');
    await build(last, ({ state }) => state === 'assigned');
    expect((await state.hosts.get('a'))?.held).toHaveLength(2);
    const ref = { buildId: run, attempt: 1, host: 'a', incarnation: 'i1' };
    await state.attempts.start(ref);
    await state.attempts.settle(ref, { end: 'succeeded', result: { digest: 'sha256:x' } });
    for (const id of sharers) {
      const ended = await build(id, ({ state }) => state === 'succeeded');
      expect(ended).toMatchObject({ attempts: [], sharedRun: run, result: { digest: 'sha256:x' } });
      expect(await state.builds.decisions(id)).toEqual([]);
    }
  });
});

test('purges builds past their retention', async () => {
  const id = await submit();
  await state.builds.cancel(id);
  startOne('s1', { ...CONFIG, buildRetentionMs: -1_000 });
  await until(
    () => state.builds.get(id),
    (found) => found === undefined,
  );
});
