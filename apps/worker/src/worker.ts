import type { Readable } from 'node:stream';
import type { AttemptCall, HostDisk } from '@kiln/contracts';
import type { BuildRecord } from '@kiln/domain';
import type { GitGuard } from '@kiln/git';
import type { Logger } from '@kiln/runtime';
import {
  type AttemptConsumer,
  type AttemptRef,
  AttemptStore,
  type BuildSecretReader,
  type BuildStore,
  type connectRedis,
  consumeAttempts,
  type DesiredState,
  HostNameTaken,
  HostRemoved,
  HostStore,
  type Keys,
  LogStore,
  type PoolEvents,
  persist,
  type Replication,
  type WorkerIdentity,
  WorkerReplaced,
} from '@kiln/state';
import { ENGINE_CHECK_EVERY_MS } from './engine-watch.ts';
import type { ExecutorSource } from './executor.ts';
import { HandBack } from './hand-back.ts';
import { HeldAttempts } from './held-attempts.ts';
import { HostExecutors } from './host-executors.ts';
import { HostSession, type LeaseTimes } from './host-session.ts';
import { noteOrders } from './note-orders.ts';
import { RecentOutcomes } from './recent-outcomes.ts';
import { type RunAttemptDeps, runAttempt } from './run-attempt.ts';
import { RunningAttempts } from './running-attempts.ts';

type Redis = ReturnType<typeof connectRedis>;

export interface WorkerConfig extends LeaseTimes {
  readonly hostName: string;
  readonly slots: number;
  /** How often the caches are read, beside after each build, ms. Default a minute. */
  readonly inventoryEveryMs?: number;
  /** File of the layer ledger; others lie beside it. Default: none, they are forgotten with the process. */
  readonly ledgerFile?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Without a build for so long the builder of an isolation domain is stopped, ms. Default: never. */
  readonly builderIdleMs?: number;
  /** How often the cache budget is divided among isolation domains, ms. */
  readonly shareEveryMs?: number;
  /** Leave by oneself when an operator's drain is complete; else stay, drained, until the host is uncordoned. */
  readonly exitWhenDrained?: boolean;
}

export const DEFAULT_INVENTORY_EVERY_MS = 60_000;
export const DEFAULT_BUILDER_IDLE_MS = 1_800_000;
const SHARE_EVERY_MS = 600_000;
/** What a worker that leaves waits for its last report of the caches. */
const LAST_REPORT_MS = 5_000;

export const DEFAULT_LEASE: LeaseTimes = { leaseTtlMs: 15_000, syncEveryMs: 3_000, fenceMarginMs: 4_000 };

export interface WorkerDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  /** What reports, starts and ends of attempts wait for: default, for nothing beyond the master. */
  readonly replication?: Replication;
  readonly builds: BuildStore;
  readonly buildSecrets: BuildSecretReader;
  readonly events: PoolEvents;
  /** For each isolation domain one. */
  readonly executors: ExecutorSource;
  readonly identity: WorkerIdentity;
  openContext(digest: string, signal: AbortSignal): Promise<Readable | undefined>;
  storeArtifact(
    ref: AttemptRef,
    content: Readable,
    record: BuildRecord,
  ): Promise<{ digest: string; sizeBytes: number }>;
  /** Keeps git away from what only this network reaches. */
  readonly outgoing: GitGuard;
  /** Room on the disk that holds the worker's data. */
  disk?(): Promise<HostDisk | undefined>;
  readonly log: Logger;
  readonly now?: () => number;
  /** Called after each report that the pool has taken. */
  readonly onReport?: () => void;
  /** How often the engine is looked at, ms. */
  readonly engineCheckEveryMs?: number;
}

export interface RunningWorker {
  /** Rejects when the worker can't go on: another one has its name. */
  readonly failed: Promise<never>;
  /** Resolves when the worker has left by itself: its host was drained (`exitWhenDrained`), or removed from the pool. */
  readonly left: Promise<'drained' | 'removed'>;
  /** Takes nothing new, finishes what runs, or after `deadlineMs` hands it back to the pool; then leaves. */
  drain(deadlineMs: number): Promise<void>;
}

/** Starts a worker: joins the pool, takes its host's jobs. @throws HostNameTaken */
export async function startWorker(config: WorkerConfig, deps: WorkerDeps): Promise<RunningWorker> {
  const worker = await Worker.make(config, deps);
  await worker.start();
  return worker;
}

class Worker implements RunningWorker {
  readonly #config: WorkerConfig;
  readonly #deps: WorkerDeps;
  readonly #running = new RunningAttempts();
  readonly #handBack: HandBack;
  readonly #outcomes = new RecentOutcomes();
  readonly #heldAttempts: HeldAttempts;
  readonly #session: HostSession;
  readonly #attemptDeps: Omit<RunAttemptDeps, 'alone'>;
  readonly #executors: HostExecutors;
  readonly #log: Logger;
  readonly #failed = Promise.withResolvers<never>();
  readonly #left = Promise.withResolvers<'drained' | 'removed'>();
  #consumer: AttemptConsumer | undefined;
  #subscription: Disposable | undefined;
  #desired: DesiredState | undefined;
  #leaving: Promise<void> | undefined;
  /** The pool has ended this worker: there is nothing to take leave of. */
  #expelled = false;
  #onDesired: () => void = () => {};
  readonly #onReconnected = () => this.#session.poke();

  static async make(config: WorkerConfig, deps: WorkerDeps): Promise<Worker> {
    const { executors, redis, keys, identity, now = Date.now, engineCheckEveryMs = ENGINE_CHECK_EVERY_MS } = deps;
    const { hostName, ledgerFile, inventoryEveryMs = DEFAULT_INVENTORY_EVERY_MS, builderIdleMs: idleMs } = config;
    const { shareEveryMs = SHARE_EVERY_MS } = config;
    const opened = await HostExecutors.open({
      ...{
        source: executors,
        redis,
        keys,
        ledgerFile,
        inventoryEveryMs,
        engineCheckEveryMs,
        shareEveryMs,
        idleMs,
        now,
      },
      writer: { host: hostName, incarnation: identity.incarnation },
      onOffer: (offer) => worker.#session.change(offer),
      log: deps.log.child({ host: hostName }),
    });
    const worker = new Worker(config, deps, opened);
    return worker;
  }

  private constructor(config: WorkerConfig, deps: WorkerDeps, executors: HostExecutors) {
    this.#config = config;
    this.#deps = deps;
    this.#executors = executors;
    this.#log = deps.log.child({ host: config.hostName });
    this.#failed.promise.catch(() => {});
    const now = deps.now ?? Date.now;
    this.#session = new HostSession(
      new HostStore(deps.redis, deps.keys, now, deps.replication),
      {
        name: config.hostName,
        slots: config.slots,
        labels: { ...config.labels },
        ...executors.report,
        accepting: true,
      },
      deps.identity,
      config,
      {
        desired: (state, sentAt) => {
          deps.onReport?.();
          this.#obey(state, sentAt);
        },
        fence: () => this.#running.stopAll('fence'),
        extended: (untilMs) => executors.extendFence(untilMs),
        fatal: (error) => this.#expel(error),
        running: () => this.#running.calls,
        disk: async () => await deps.disk?.(),
      },
      this.#log,
    );
    const attempts = new AttemptStore(deps.redis, deps.keys, { now, replication: deps.replication });
    this.#attemptDeps = {
      builds: deps.builds,
      buildSecrets: deps.buildSecrets,
      attempts,
      logs: new LogStore(deps.redis, deps.keys),
      onOutcome: (ref, outcome) => this.#outcomes.note(ref, outcome),
      executor: executors,
      openContext: (digest, signal) => deps.openContext(digest, signal),
      storeArtifact: (ref, content, record) => deps.storeArtifact(ref, content, record),
      outgoing: deps.outgoing,
      log: this.#log,
      now,
    };
    this.#handBack = new HandBack(this.#running, attempts, (job) => this.#ref(job), this.#log);
    this.#heldAttempts = new HeldAttempts({
      outcomeOf: (call) => this.#outcomes.of(call),
      running: this.#running,
      attempts,
      ref: (held) => this.#ref(held),
      run: (call) => this.#begin(call),
      log: this.#log,
    });
  }

  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  get left(): Promise<'drained' | 'removed'> {
    return this.#left.promise;
  }

  async start(): Promise<void> {
    const { redis, keys, events } = this.#deps;
    await this.#session.join();
    this.#subscription = events.subscribe((event) => {
      // Only a pointer that something may be wanted of this host; what, the answer to the report says.
      const isHost = event.type === 'host' && event.host === this.#config.hostName;
      if (isHost || (event.type === 'build' && this.#running.runs(event.id))) this.#session.poke();
    });
    // What answers now may be another server, which waits for a word of this host.
    redis.on('ready', this.#onReconnected);
    this.#consumer = consumeAttempts(
      redis,
      keys,
      this.#config.hostName,
      // The scheduler never hands out more than the slots; a changed number of slots must not need a restart.
      { concurrency: 1_000, onError: (error) => this.#log.warn({ err: error }, 'queue error') },
      (call) => this.#run(call),
    );
    this.#executors.cachesWanted();
    this.#log.info({ slots: this.#config.slots, ...this.#executors.report }, 'worker joined');
    this.#leaveIfDrained();
  }

  async drain(deadlineMs: number): Promise<void> {
    const handBack = setTimeout(() => this.#handBack.begin(), deadlineMs);
    await this.#leave(false);
    clearTimeout(handBack);
  }

  /** However often it is asked to leave, it leaves once. */
  #leave(drained: boolean): Promise<void> {
    this.#leaving ??= this.#depart(drained);
    return this.#leaving;
  }

  async #depart(drained: boolean): Promise<void> {
    this.#executors.stopWatching();
    const failed = (error: Error) =>
      this.#log.warn({ err: error }, 'the pool does not know yet that the worker leaves');
    if (!this.#expelled) {
      const leaving = persist(() => this.#session.change({ accepting: false }), failed);
      await leaving.catch((error) => this.#expelOrThrow(error));
    }
    // What was assigned before the pool knew is still coming through the queue.
    while (!this.#expelled && this.#isBusy()) {
      const changed = new Promise<void>((resolve) => {
        this.#onDesired = resolve;
      });
      await Promise.race([changed, this.#running.anyEnd()]);
      if (this.#running.size === 0 && this.#isBusy()) this.#session.poke();
    }
    this.#handBack.end();
    this.#deps.redis.off('ready', this.#onReconnected);
    this.#subscription?.[Symbol.dispose]();
    await this.#consumer?.drain();
    await this.#executors.closeCaches(LAST_REPORT_MS);
    if (!this.#expelled) await persist(() => this.#session.leave(drained), failed);
    this.#log.info({}, 'worker left');
  }

  /** Whether anything of this host's is held, by the last report, or runs. */
  #isBusy(): boolean {
    return this.#running.size > 0 || (this.#desired?.attempts.length ?? 0) > 0;
  }

  async #run(called: AttemptCall): Promise<void> {
    const call = called.nonce === undefined ? await this.#identified(called) : called;
    await this.#begin(call);
  }

  async #begin(call: AttemptCall): Promise<void> {
    let stop: AbortSignal | undefined;
    await this.#handBack.run(call, (signal, alone) => {
      stop = signal;
      return runAttempt({ ...this.#attemptDeps, alone }, this.#ref(call), signal);
    });
    // Somebody waits for this host to be empty, or not to run what isn't its own any more: it shall know at once.
    if (this.#desired?.drain || stop?.reason === 'fence') this.#session.poke();
  }

  /** A scheduler of an older version calls for an attempt by its number alone; the record tells which one that is. */
  async #identified({ buildId, attempt }: AttemptCall): Promise<AttemptCall> {
    const record = await persist(() => this.#deps.builds.record(buildId));
    const nonce = record?.attempts.find(({ number }) => number === attempt)?.nonce;
    return { buildId, attempt, ...(nonce !== undefined && { nonce }) };
  }

  #ref({ buildId, attempt, nonce }: AttemptCall): AttemptRef {
    const { incarnation } = this.#deps.identity;
    return { buildId, attempt, host: this.#config.hostName, incarnation, ...(nonce !== undefined && { nonce }) };
  }

  /** Does what the answer to a report asks for. Slots are the pool's business: no more comes than there are. */
  #obey(state: DesiredState, sentAt: number): void {
    if (!state.inventoryKnown) this.#executors.cachesWanted();
    noteOrders(this.#log, this.#desired, state, this.#config.slots);
    this.#desired = state;
    this.#running.reconcile(state.attempts, sentAt);
    this.#handBack.order(state);
    if (!this.#handBack.isDue) this.#heldAttempts.order(state.attempts);
    this.#onDesired();
    this.#leaveIfDrained();
  }

  #leaveIfDrained(): void {
    const isDrained = this.#desired?.drain !== undefined && !this.#isBusy();
    if (!this.#config.exitWhenDrained || !isDrained || this.#leaving || !this.#consumer) return;
    this.#leave(true).then(
      () => this.#left.resolve('drained'),
      (error: unknown) => this.#failed.reject(error),
    );
  }

  #expelOrThrow(error: unknown): void {
    const isFinal = error instanceof HostRemoved || error instanceof WorkerReplaced || error instanceof HostNameTaken;
    if (!isFinal) throw error;
    this.#expel(error);
  }

  /** The pool no longer knows this worker: nothing that it runs counts any more. */
  #expel(error: Error): void {
    if (this.#expelled) return;
    this.#expelled = true;
    this.#executors.abandonCaches();
    this.#executors.stopWatching();
    this.#session.abandon();
    this.#running.stopAll('fence');
    if (error instanceof HostRemoved) {
      this.#log.warn({}, 'host removed from the pool');
      this.#leave(false).then(
        () => this.#left.resolve('removed'),
        (failure: unknown) => this.#failed.reject(failure),
      );
    } else {
      this.#failed.reject(error);
    }
    this.#onDesired();
  }
}
