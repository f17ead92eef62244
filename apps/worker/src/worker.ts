import type { Readable } from 'node:stream';
import type { RunAttemptJob } from '@kiln/contracts';
import type { Logger } from '@kiln/runtime';
import {
  type AttemptConsumer,
  type AttemptRef,
  AttemptStore,
  type BuildStore,
  type connectRedis,
  consumeAttempts,
  type DesiredState,
  HostStore,
  type Keys,
  LogStore,
  type PoolEvents,
  type WorkerIdentity,
} from '@kiln/state';
import { ENGINE_CHECK_EVERY_MS, EngineWatch, withEngineWatch } from './engine-watch.ts';
import type { Executor, StopReason } from './executor.ts';
import { HostSession, type LeaseTimes } from './host-session.ts';
import { type RunAttemptDeps, runAttempt } from './run-attempt.ts';

type Redis = ReturnType<typeof connectRedis>;

export interface WorkerConfig extends LeaseTimes {
  readonly hostName: string;
  readonly slots: number;
}

export const DEFAULT_LEASE: LeaseTimes = { leaseTtlMs: 15_000, syncEveryMs: 3_000, fenceMarginMs: 4_000 };

export interface WorkerDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly builds: BuildStore;
  readonly events: PoolEvents;
  readonly executor: Executor;
  readonly identity: WorkerIdentity;
  openContext(digest: string, signal: AbortSignal): Promise<Readable | undefined>;
  storeArtifact(ref: AttemptRef, content: Readable): Promise<{ digest: string; sizeBytes: number }>;
  readonly log: Logger;
  readonly now?: () => number;
  /** How often the engine is looked at, ms. */
  readonly engineCheckEveryMs?: number;
}

export interface RunningWorker {
  /** Rejects when the worker can't go on: another one has its name. */
  readonly failed: Promise<never>;
  /** Takes nothing new, finishes what runs, or after `deadlineMs` hands it back to the pool; then leaves. */
  drain(deadlineMs: number): Promise<void>;
}

/** Starts a worker: joins the pool, takes its host's jobs. @throws HostNameTaken */
export async function startWorker(config: WorkerConfig, deps: WorkerDeps): Promise<RunningWorker> {
  const worker = new Worker(config, deps);
  await worker.start();
  return worker;
}

interface RunningAttempt {
  readonly controller: AbortController;
  /** performance.now() at the time of its registration: reports sent before can't know of it. */
  readonly since: number;
  readonly done: Promise<void>;
}

class Worker implements RunningWorker {
  readonly #config: WorkerConfig;
  readonly #deps: WorkerDeps;
  readonly #running = new Map<string, RunningAttempt>();
  readonly #session: HostSession;
  readonly #attemptDeps: RunAttemptDeps;
  readonly #log: Logger;
  readonly failed: Promise<never>;
  #consumer: AttemptConsumer | undefined;
  #subscription: Disposable | undefined;
  #fail: (error: Error) => void = () => {};
  /** Undefined where the executor has none that could be away. */
  readonly #engine: EngineWatch | undefined;
  #held = 0;
  #onDesired: () => void = () => {};

  constructor(config: WorkerConfig, deps: WorkerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#log = deps.log.child({ host: config.hostName });
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
    const now = deps.now ?? Date.now;
    const { info } = deps.executor;
    this.#session = new HostSession(
      new HostStore(deps.redis, deps.keys, now),
      {
        name: config.hostName,
        slots: config.slots,
        platforms: [...info.platforms],
        labels: {},
        driver: info.driver,
        engineVersion: info.engineVersion,
        buildxVersion: info.buildxVersion,
        accepting: true,
      },
      deps.identity,
      config,
      {
        desired: (state, sentAt) => this.#obey(state, sentAt),
        fence: () => this.#stopAll('fence'),
        extended: (untilMs) => deps.executor.extendFence(untilMs),
        fatal: (error) => {
          this.#stopAll('fence');
          this.#fail(error);
        },
      },
      this.#log,
    );
    this.#engine = this.#watchEngine();
    this.#attemptDeps = {
      builds: deps.builds,
      attempts: new AttemptStore(deps.redis, deps.keys, { now }),
      logs: new LogStore(deps.redis, deps.keys),
      executor: this.#engine ? withEngineWatch(deps.executor, this.#engine) : deps.executor,
      openContext: (digest, signal) => deps.openContext(digest, signal),
      storeArtifact: (ref, content) => deps.storeArtifact(ref, content),
      log: this.#log,
      now,
    };
  }

  async start(): Promise<void> {
    const { redis, keys, events } = this.#deps;
    await this.#session.join();
    this.#subscription = events.subscribe((event) => {
      // Only a pointer that something may be wanted of this host; what, the answer to the report says.
      if (event.type === 'host' ? event.host === this.#config.hostName : this.#runs(event.id, event.attempt)) {
        this.#session.poke();
      }
    });
    this.#consumer = consumeAttempts(
      redis,
      keys,
      this.#config.hostName,
      // The scheduler never hands out more than the slots; a changed number of slots must not need a restart.
      { concurrency: 1_000, onError: (error) => this.#log.warn({ err: error }, 'queue error') },
      (job) => this.#run(job),
    );
    this.#log.info({ slots: this.#config.slots, ...this.#deps.executor.info }, 'worker joined');
  }

  #watchEngine(): EngineWatch | undefined {
    const { executor, engineCheckEveryMs = ENGINE_CHECK_EVERY_MS } = this.#deps;
    if (!executor.ping) return undefined;
    return new EngineWatch({
      check: executor.ping.bind(executor),
      onChange: (isThere) => this.#session.change({ accepting: isThere }),
      everyMs: engineCheckEveryMs,
      log: this.#log,
    });
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#engine?.stop();
    await this.#session.change({ accepting: false });
    const handBack = setTimeout(() => this.#stopAll('fence'), deadlineMs);
    // What was assigned before the pool knew is still coming through the queue.
    while (this.#held > 0 || this.#running.size > 0) {
      const changed = new Promise<void>((resolve) => {
        this.#onDesired = resolve;
      });
      await Promise.race([changed, ...[...this.#running.values()].map(({ done }) => done)]);
      if (this.#running.size === 0 && this.#held > 0) this.#session.poke();
    }
    clearTimeout(handBack);
    this.#subscription?.[Symbol.dispose]();
    await this.#consumer?.drain();
    await this.#session.leave();
    this.#log.info({}, 'worker left');
  }

  #runs(buildId: string, attempt: number): boolean {
    return this.#running.has(`${buildId}:${attempt}`);
  }

  async #run({ buildId, attempt }: RunAttemptJob): Promise<void> {
    const { hostName } = this.#config;
    const key = `${buildId}:${attempt}`;
    if (this.#running.has(key)) return this.#running.get(key)?.done;
    const controller = new AbortController();
    const ref = { buildId, attempt, host: hostName, incarnation: this.#deps.identity.incarnation };
    const done = runAttempt(this.#attemptDeps, ref, controller.signal).finally(() => {
      this.#running.delete(key);
    });
    this.#running.set(key, { controller, since: performance.now(), done });
    await done;
  }

  /** Stops what was canceled, and what is no longer this worker's. */
  #obey(state: DesiredState, sentAt: number): void {
    this.#held = state.attempts.length;
    const mine = new Map(state.attempts.map((held) => [`${held.buildId}:${held.attempt}`, held]));
    for (const [key, { controller, since }] of this.#running) {
      const held = mine.get(key);
      if (held?.cancel) controller.abort('cancel' satisfies StopReason);
      else if (!held && since < sentAt) controller.abort('fence' satisfies StopReason);
    }
    this.#onDesired();
  }

  #stopAll(reason: StopReason): void {
    for (const { controller } of this.#running.values()) controller.abort(reason);
  }
}
