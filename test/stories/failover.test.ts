import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buildRequest } from '@kiln/contracts';
import { type BuildState, isTerminal, limitDefaults, type Outcome } from '@kiln/domain';
import { createLogger, NO_ALLOWED_HOSTS, OutgoingGuard } from '@kiln/runtime';
import { startScheduler } from '@kiln/scheduler';
import { Leadership, NotReplicated, openState, type State } from '@kiln/state';
import { TestSentinel } from '@kiln/state/testing';
import { MemoryTrees } from '@kiln/trees/testing';
import { type ExecuteRequest, type Executor, startWorker } from '@kiln/worker';
import { fixedExecutors } from '@kiln/worker/testing';
import { expect, test } from 'vitest';

const log = createLogger({ app: 'test', level: 'silent' });
const POLL = { timeout: 60_000, interval: 5 };
const SUBMITTERS = 4;
const LONGEST_RUN_MS = 150;

/** What the hosts really did, whatever Redis contains. */
class World {
  readonly pushes: string[] = [];
  /** Builds that had two attempts running at the same time. */
  readonly doubled: string[] = [];
  readonly #live = new Map<string, number>();

  /** Returns an executor that prints, works for a moment, and pushes, unless it was stopped or its fence has passed. */
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

/** Simulates work. Ends early when the build is stopped. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A pool on a Redis with Sentinel, in which each process has its own connections, and callers that submit builds until they are stopped. */
class Pool implements AsyncDisposable {
  readonly world = new World();
  /** Ids of the builds whose acceptance a caller was told. */
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

  async hasAccepted(count: number): Promise<void> {
    await expect.poll(() => this.accepted.length, POLL).toBeGreaterThanOrEqual(count);
  }

  /** Stops the callers and waits until all accepted builds have ended. Returns their ends by id. */
  async ended(): Promise<Map<string, string>> {
    this.#stopped = true;
    await Promise.all(this.#submitters);
    const { builds } = await this.#state();
    const ends = new Map<string, string>();
    const stateOf = async (id: string) => (await builds.get(id))?.record.state ?? 'missing';
    for (const id of this.accepted) {
      const isEnded = (state: string) => state === 'missing' || isTerminal(state as BuildState);
      await expect.poll(() => stateOf(id), POLL).toSatisfy(isEnded);
      ends.set(id, await stateOf(id));
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
        trees: () => new MemoryTrees(),
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
      // The rate at which the hosts can keep up.
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

test('loses no accepted build and pushes none twice when the master is killed under load', async () => {
  await using servers = await TestSentinel.start({ replicas: 2 });
  await using pool = await Pool.start(servers.url);
  await pool.hasAccepted(25);
  await servers.killMaster();
  await pool.hasAccepted(60);
  expectAllWell(pool, await pool.ended());
});

test('acknowledges nothing that the replicas do not have, and pushes no build twice, when a master that they lag behind is killed', async () => {
  await using servers = await TestSentinel.start({ replicas: 2 });
  await using pool = await Pool.start(servers.url);
  await pool.hasAccepted(25);
  await servers.cutReplication();
  const pushesAtCut = pool.world.pushes.length;
  // Running builds continue, and end in a state that only the old master knows.
  await expect.poll(() => pool.world.pushes.length, POLL).toBeGreaterThan(pushesAtCut);
  await servers.killMaster();
  await pool.hasAccepted(50);
  expectAllWell(pool, await pool.ended());
});
