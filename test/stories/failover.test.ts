import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buildRequest } from '@kiln/contracts';
import { isTerminal, limitDefaults, type Outcome } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { startScheduler } from '@kiln/scheduler';
import { Leadership, NotReplicated, openState, type State } from '@kiln/state';
import { TestSentinel } from '@kiln/state/testing';
import { type ExecuteRequest, type Executor, startWorker } from '@kiln/worker';
import { fixedExecutors } from '@kiln/worker/testing';
import { expect, test } from 'vitest';

const log = createLogger({ app: 'test', level: 'silent' });
const SUBMITTERS = 4;
const LONGEST_RUN_MS = 150;

/** What hosts really did, whatever Redis says of it. */
class World {
  readonly pushes: string[] = [];
  /** Builds of which two attempts ran at a time. */
  readonly doubled: string[] = [];
  readonly #live = new Map<string, number>();

  /** An executor that prints, works for a moment, and pushes, unless it was stopped, or its fence has closed. */
  executor(): Executor {
    let fenceAtMs = Number.POSITIVE_INFINITY;
    const run = async ({ buildId, sink }: ExecuteRequest, signal: AbortSignal): Promise<Outcome> => {
      this.#begin(buildId);
      try {
        for (let step = 0; step < 3; step++) {
          await sink({ t: Date.now(), type: 'note', message: `step ${step}` });
          await pause((Math.random() * LONGEST_RUN_MS) / 3, signal);
          const isStopped = signal.aborted || Date.now() > fenceAtMs;
          if (isStopped) return { end: 'failed', failure: { code: 'infrastructure', message: 'stopped' } };
        }
        this.pushes.push(buildId);
        return { end: 'succeeded' };
      } finally {
        this.#live.set(buildId, (this.#live.get(buildId) ?? 0) - 1);
      }
    };
    return {
      info: { driver: 'docker', engineVersion: '1', buildxVersion: '1', platforms: ['linux/amd64'] },
      run,
      extendFence: async (untilMs) => {
        fenceAtMs = untilMs;
      },
      close: async () => {},
    };
  }

  #begin(buildId: string): void {
    const live = (this.#live.get(buildId) ?? 0) + 1;
    this.#live.set(buildId, live);
    if (live > 1) this.doubled.push(buildId);
  }
}

/** Ends early when it is stopped. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A pool over Sentinel, each process with connections of its own, and callers that submit builds until they are stopped. */
class Pool implements AsyncDisposable {
  readonly world = new World();
  /** Ids that a caller was answered. */
  readonly accepted: string[] = [];
  readonly #stack = new AsyncDisposableStack();
  readonly #redisUrl: string;
  readonly #submitters: Promise<void>[] = [];
  #stopped = false;

  private constructor(redisUrl: string) {
    this.#redisUrl = redisUrl;
  }

  static async start(redisUrl: string): Promise<Pool> {
    const pool = new Pool(redisUrl);
    for (const owner of ['s1', 's2']) await pool.#scheduler(owner);
    for (const name of ['a', 'b']) await pool.#worker(name);
    for (let i = 0; i < SUBMITTERS; i++) pool.#submitters.push(pool.#submit(await pool.#state()));
    return pool;
  }

  async acceptedSo(count: number): Promise<void> {
    while (this.accepted.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Stops the callers and waits until everything that was accepted has ended; answers how it ended. */
  async ended(): Promise<Map<string, string>> {
    this.#stopped = true;
    await Promise.all(this.#submitters);
    const { builds } = await this.#state();
    const ends = new Map<string, string>();
    for (const id of this.accepted) {
      for (;;) {
        const build = await builds.get(id);
        if (!build) ends.set(id, 'lost');
        else if (isTerminal(build.record.state)) ends.set(id, build.record.state);
        if (ends.has(id)) break;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    return ends;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#stack.disposeAsync();
  }

  async #state(): Promise<State> {
    const options = { namespace: 'kiln', secretKey: Buffer.alloc(32, 1), onError: () => {} };
    return this.#stack.use(
      await openState({ ...options, redisUrl: this.#redisUrl, minReplicas: 1, replicaTimeoutMs: 500 }),
    );
  }

  async #scheduler(owner: string): Promise<void> {
    const state = await this.#state();
    const leadership = new Leadership(state.redis, state.keys, owner, 2_000);
    const config = { leaderTtlMs: 2_000, tickMs: 100, buildRetentionMs: 3_600_000, limits: limitDefaults() };
    const scheduler = startScheduler(config, { ...state, leadership, log });
    this.#stack.defer(() => scheduler.close());
  }

  async #worker(hostName: string): Promise<void> {
    const state = await this.#state();
    const worker = await startWorker(
      { hostName, slots: 3, leaseTtlMs: 15_000, syncEveryMs: 300, fenceMarginMs: 1_000 },
      {
        ...state,
        executors: fixedExecutors([this.world.executor()]),
        identity: { machine: hostName, incarnation: randomUUID(), epoch: await state.hosts.nextEpoch() },
        openContext: async () => Readable.from(['a tar']),
        outgoing: new OutgoingGuard(NO_ALLOWED_HOSTS),
        storeArtifact: async () => ({ digest: '', sizeBytes: 0 }),
        log,
      },
    );
    this.#stack.defer(() => worker.drain(0));
  }

  async #submit({ builds }: State): Promise<void> {
    const source = { type: 'upload', name: 'app', digest: 'sha256:'.padEnd(71, '0') };
    const spec = { ...buildRequest.parse({ source }), secrets: [] };
    while (!this.#stopped) {
      try {
        this.accepted.push((await builds.accept({ repo: 'app', spec, secrets: {} })).build.record.id);
      } catch (error) {
        if (!(error instanceof NotReplicated)) throw error;
      }
      // As much as the hosts get done.
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  }
}

function expectAllWell({ world, accepted }: Pool, ends: ReadonlyMap<string, string>): void {
  expect(new Set(ends.values())).toEqual(new Set(['succeeded']));
  const pushes = Map.groupBy(world.pushes, (id) => id);
  expect(accepted.filter((id) => pushes.get(id)?.length !== 1)).toEqual([]);
  expect(world.doubled).toEqual([]);
}

test('the master is killed under load: nothing that was accepted is lost, nothing is pushed twice', async () => {
  await using servers = await TestSentinel.start({ replicas: 2 });
  await using pool = await Pool.start(servers.url);
  await pool.acceptedSo(25);
  await servers.killMaster();
  await pool.acceptedSo(60);
  expectAllWell(pool, await pool.ended());
});

test('it is killed after its replicas have fallen behind: what they don’t have was never acknowledged, and isn’t done twice', async () => {
  await using servers = await TestSentinel.start({ replicas: 2 });
  await using pool = await Pool.start(servers.url);
  await pool.acceptedSo(25);
  await servers.cutReplication();
  const pushesAtCut = pool.world.pushes.length;
  // What has begun goes on, and ends where nobody but the old master hears of it.
  while (pool.world.pushes.length === pushesAtCut) await new Promise((resolve) => setTimeout(resolve, 5));
  await servers.killMaster();
  await pool.acceptedSo(50);
  expectAllWell(pool, await pool.ended());
});
