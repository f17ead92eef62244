import { type BuildRequestInput, buildRequest } from '@kiln/contracts';
import { type BuildRecord, type BuildState, limitDefaults, type Outcome, type Trust } from '@kiln/domain';
import { createLogger } from '@kiln/runtime';
import { type AttemptRef, type BuildStore, Leadership, openState, type State, type StoredDecision } from '@kiln/state';
import { TestRedis } from '@kiln/state/testing';
import { test as base, vi } from 'vitest';
import { type RunningScheduler, type SchedulerConfig, type SchedulerDeps, startScheduler } from '../scheduler.ts';

const CONFIG = { leaderTtlMs: 1_000, tickMs: 100, buildRetentionMs: 3_600_000, limits: limitDefaults() };
/** Longer than any test. */
const LEASE_MS = 600_000;
export const PATIENCE = { timeout: 60_000, interval: 10 };

export interface TestHost {
  readonly slots?: number;
  readonly incarnation?: string;
  /** The trust classes that it takes. Default: none reported, as by a worker of an older version. */
  readonly trust?: readonly Trust[];
  /** Default: `linux/amd64`. */
  readonly platforms?: readonly string[];
  /** Types of tasks that it can carry out. Default: none, as by a worker of an older version. */
  readonly tasks?: readonly string[];
}

/** What a build is accepted with beside its request. */
export interface Submission {
  /** The API process that accepts the build. Default: one that works. */
  readonly builds?: Pick<BuildStore, 'accept'>;
  readonly submitter?: string;
  readonly trust?: Trust;
  /** Default: `app`. */
  readonly repo?: string;
  /** Platforms for which it runs programs; null: unknown. Default: all that the request names. */
  readonly runPlatforms?: readonly string[] | null;
  /** The server's default. */
  readonly queueTimeoutMs?: number;
}

/** A pool of real schedulers over a real Redis; its hosts and builds do what the test says. */
export class SchedulerPool implements AsyncDisposable {
  readonly state: State;
  readonly #clock: { aheadMs: number };
  readonly #running: RunningScheduler[] = [];

  private constructor(state: State, clock: { aheadMs: number }) {
    this.state = state;
    this.#clock = clock;
  }

  static async open(redisUrl: string, namespace = 'kiln'): Promise<SchedulerPool> {
    const clock = { aheadMs: 0 };
    const now = () => Date.now() + clock.aheadMs;
    const secretKey = Buffer.alloc(32, 1);
    return new SchedulerPool(await openState({ redisUrl, namespace, secretKey, onError: () => {}, now }), clock);
  }

  /** The pool's clock, ms since the epoch: ahead of the machine's by all the time that builds have run. */
  readonly now = (): number => Date.now() + this.#clock.aheadMs;

  /** Moves the pool's clock ahead. */
  later(ms: number): void {
    this.#clock.aheadMs += ms;
  }

  /** Starts a scheduler, which is stopped with the pool. */
  start(owner = 's1', config: Partial<SchedulerConfig> = {}, deps: Partial<SchedulerDeps> = {}): RunningScheduler {
    const whole = { ...CONFIG, ...config };
    const leadership = new Leadership(this.state.redis, this.state.keys, owner, whole.leaderTtlMs);
    const log = createLogger({ app: 'test', level: 'silent' });
    const scheduler = startScheduler(whole, { ...this.state, leadership, log, now: this.now, ...deps });
    this.#running.push(scheduler);
    return scheduler;
  }

  /** Reports a host, which joins the pool or renews its lease. `runs`: the builds whose first attempts it says that it runs. */
  async join(
    name: string,
    { slots = 2, incarnation = 'i1', trust, platforms = ['linux/amd64'], tasks }: TestHost = {},
    runs?: readonly string[],
  ): Promise<void> {
    await this.state.hosts.sync(
      {
        ...{ name, slots, platforms: [...platforms], labels: {}, driver: 'docker', engineVersion: '1' },
        ...{ buildxVersion: '1', accepting: true, ...(trust && { trust: [...trust] }) },
        ...(tasks && { tasks: [...tasks] }),
      },
      { machine: `m-${name}`, incarnation },
      LEASE_MS,
      runs?.map((buildId) => ({ buildId, attempt: 1 })),
    );
  }

  /** Ends a host's lease, as if its worker had died. */
  async lose(name: string): Promise<void> {
    await this.state.redis.del(this.state.keys.hostLease(name));
  }

  /** Submits a build. */
  async submit(
    request: Partial<BuildRequestInput> = {},
    { builds = this.state.builds, submitter, trust, repo = 'app', queueTimeoutMs, runPlatforms }: Submission = {},
  ): Promise<string> {
    const spec = { ...buildRequest.parse({ source: { type: 'upload', name: 'app' }, ...request }), secrets: [] };
    const runs = runPlatforms === undefined ? spec.platforms : runPlatforms;
    const accepted = await builds.accept({
      repo,
      spec,
      secrets: {},
      submitter,
      queueTimeoutMs,
      ...(runs && { runPlatforms: runs }),
      ...(trust && { trust }),
    });
    return accepted.build.record.id;
  }

  async record(id: string): Promise<BuildRecord> {
    const record = await this.state.builds.record(id);
    if (!record) throw new Error(`build ${id} is gone`);
    return record;
  }

  /** Waits until the build's record satisfies `seen`. */
  build(id: string, seen: (record: BuildRecord) => boolean): Promise<BuildRecord> {
    return until(() => this.record(id), seen);
  }

  /** Waits until the build is in this state. */
  reaches(id: string, state: BuildState): Promise<BuildRecord> {
    return this.build(id, (record) => record.state === state);
  }

  /** Waits until the build is assigned. Returns its host. */
  async placed(id: string): Promise<string | undefined> {
    return (await this.reaches(id, 'assigned')).attempts.at(-1)?.host;
  }

  /** Waits until a decision about the build is stored, with this reason if given. Returns the last one. */
  decided(id: string, reason?: string): Promise<StoredDecision | undefined> {
    return until(
      async () => (await this.state.builds.decisions(id)).at(-1),
      (decision) => decision !== undefined && (reason === undefined || decision.reason === reason),
    );
  }

  /** Waits until the build is assigned and starts its attempt. */
  async begin(id: string): Promise<AttemptRef> {
    const { attempts } = await this.reaches(id, 'assigned');
    const { number: attempt = 0, host = '', incarnation = '', nonce } = attempts.at(-1) ?? {};
    const ref = { buildId: id, attempt, host, incarnation, ...(nonce !== undefined && { nonce }) };
    await this.state.attempts.start(ref);
    return ref;
  }

  /** Waits until the build is assigned, runs it for `ms` of the pool's clock, and ends it. */
  async run(id: string, ms = 0, outcome: Outcome = { end: 'succeeded' }): Promise<void> {
    const ref = await this.begin(id);
    this.later(ms);
    await this.state.attempts.settle(ref, outcome);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running.map((scheduler) => scheduler.close()));
    await this.state[Symbol.asyncDispose]();
  }
}

/** Waits until `seen` is true of what `read` returns. */
export function until<T>(read: () => Promise<T>, seen: (value: T) => boolean): Promise<T> {
  return vi.waitFor(async () => {
    const value = await read();
    if (!seen(value)) throw new Error(`not reached: ${JSON.stringify(value)}`);
    return value;
  }, PATIENCE);
}

let pools = 0;

/** A test with a pool of its own, in the file's Redis. */
export const test = base.extend<{ redis: TestRedis; pool: SchedulerPool }>({
  redis: [
    // biome-ignore lint/correctness/noEmptyPattern: vitest reads a fixture's needs from this pattern
    async ({}, use) => {
      await using redis = await TestRedis.start();
      await use(redis);
    },
    { scope: 'file' },
  ],
  pool: async ({ redis }, use) => {
    await using pool = await SchedulerPool.open(redis.url, `pool-${++pools}`);
    await use(pool);
  },
});
