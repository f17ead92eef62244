import type { HostDisk } from '@kiln/contracts';
import { ConnectionTokens } from '@kiln/forges';
import { NO_METRICS } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import {
  ArchiveIndex,
  type AttemptConsumer,
  AttemptStore,
  CacheReferences,
  consumeAttempts,
  type DesiredState,
  HostNameTaken,
  HostRemoved,
  HostStore,
  HostTasks,
  LogStore,
  persist,
  WorkerReplaced,
} from '@kiln/state';
import { CacheArchives } from './archives/cache-archives.ts';
import { DEFAULT_INVENTORY_EVERY_MS } from './caches/cache-reporter.ts';
import { DiskGuard } from './caches/disk-guard.ts';
import { ENGINE_CHECK_EVERY_MS } from './engine/engine-watch.ts';
import { HostExecutors } from './executors/host-executors.ts';
import { HostAttempts } from './session/host-attempts.ts';
import { HostSession } from './session/host-session.ts';
import { logOrders } from './session/log-orders.ts';
import { dropCaches } from './tasks/drop-caches.ts';
import { evaluateBake } from './tasks/evaluate-bake.ts';
import { LastMoves } from './tasks/last-moves.ts';
import { saveCaches } from './tasks/save-caches.ts';
import { seedCaches } from './tasks/seed-caches.ts';
import type { HostTaskHandlers } from './tasks/task-handler.ts';
import { TaskLanes } from './tasks/task-lanes.ts';
import { AttemptRecorders } from './traces/attempt-recorder.ts';
import { collectHost, countingLogs } from './worker-metrics.ts';
import type { WorkerDeps, WorkerOptions } from './worker-options.ts';

/** How long a forge may take to answer a request for a token, ms. */
const FORGE_TIMEOUT_MS = 10_000;
const SHARE_EVERY_MS = 600_000;
/** How long a worker that leaves waits for its last report of the caches. */
const LAST_REPORT_MS = 5_000;
/** How long a worker that leaves waits for the records of its last attempts to be stored. */
const LAST_RECORD_MS = 2_000;
/** How long a worker that leaves waits for a task that runs. Its successor starts it again. */
const LAST_TASK_MS = 5_000;
/** More than any host has slots: the scheduler never assigns more than there are, and a change of slots needs no restart. */
const MAX_JOBS = 1_000;

export interface RunningWorker {
  /** Rejects when the worker can't continue, for example because another worker has taken its name. */
  readonly failed: Promise<never>;
  /** Resolves when the worker has left by itself: its host was drained (`exitWhenDrained`), or removed from the pool. */
  readonly left: Promise<'drained' | 'removed'>;
  /** Accepts no new builds, finishes the running ones or hands them back after `deadlineMs`, then leaves the pool. */
  drain(deadlineMs: number): Promise<void>;
}

/** Starts a worker: joins the pool and begins to run the builds of its host. @throws HostNameTaken */
export async function startWorker(options: WorkerOptions, deps: WorkerDeps): Promise<RunningWorker> {
  const worker = await Worker.create(options, deps);
  await worker.start();
  return worker;
}

/** The handlers of tasks about snapshots. A worker that reaches no store of them has none. */
function snapshotTasks(
  host: string,
  { snapshots, trees, log }: WorkerDeps,
  executors: HostExecutors,
): HostTaskHandlers {
  if (!snapshots) return {};
  const deps = { host, snapshots, executors, trees, log };
  return { save: saveCaches(deps), seed: seedCaches(deps) };
}

/** The handler of bake files. Executors of tests can't evaluate them. */
function evaluations(source: WorkerDeps['executors']): HostTaskHandlers {
  const evaluate = source.evaluateBake?.bind(source);
  return evaluate ? { evaluate: evaluateBake(evaluate) } : {};
}

/** The archives of builds' caches, which are stored as snapshots are. */
function archivesOf(
  { snapshots, trees, redis, keys, log }: WorkerDeps,
  keptBytes: number | undefined,
  now: () => number,
): CacheArchives | undefined {
  if (!snapshots) return undefined;
  const target = (team: string) => snapshots.target(team);
  return new CacheArchives({ index: new ArchiveIndex(redis, keys, { keptBytes }), target, trees, log, now });
}

class Worker implements RunningWorker {
  readonly #options: WorkerOptions;
  readonly #deps: WorkerDeps;
  readonly #attempts: HostAttempts;
  readonly #session: HostSession;
  readonly #executors: HostExecutors;
  readonly #recorders: AttemptRecorders;
  readonly #tasks: TaskLanes;
  readonly #diskGuard: DiskGuard;
  readonly #lastMoves: LastMoves;
  readonly #log: Logger;
  readonly #collecting: Disposable;
  #disk: HostDisk | undefined;
  readonly #failed = Promise.withResolvers<never>();
  readonly #left = Promise.withResolvers<'drained' | 'removed'>();
  #consumer: AttemptConsumer | undefined;
  #subscription: Disposable | undefined;
  #desired: DesiredState | undefined;
  /** When the report was sent that it answers, by performance.now(). */
  #desiredSentAt = 0;
  #leaving: Promise<void> | undefined;
  /** The pool no longer has this worker, so it can't leave in order. */
  #expelled = false;
  #onDesired: () => void = () => {};
  readonly #onReconnected = () => this.#session.poke();

  static async create(options: WorkerOptions, deps: WorkerDeps): Promise<Worker> {
    const { hostName, inventoryEveryMs = DEFAULT_INVENTORY_EVERY_MS, shareEveryMs = SHARE_EVERY_MS } = options;
    const { now = Date.now, engineCheckEveryMs = ENGINE_CHECK_EVERY_MS } = deps;
    const executors = await HostExecutors.open({
      source: deps.executors,
      redis: deps.redis,
      keys: deps.keys,
      writer: { host: hostName, incarnation: deps.identity.incarnation },
      ledgerFile: options.ledgerFile,
      inventoryEveryMs,
      engineCheckEveryMs,
      shareEveryMs,
      idleMs: options.builderIdleMs,
      repoCacheCap: options.repoCacheCap,
      teamCacheCap: options.teamCacheCap,
      keepBrokenMs: options.keepBrokenMs,
      repairLimits: options.repairLimits,
      onOffer: (offer) => worker.#session.change(offer),
      metrics: deps.metrics,
      log: deps.log.child({ host: hostName }),
      now,
    });
    const worker = new Worker(options, deps, executors);
    return worker;
  }

  private constructor(options: WorkerOptions, deps: WorkerDeps, executors: HostExecutors) {
    this.#options = options;
    this.#deps = deps;
    this.#executors = executors;
    this.#log = deps.log.child({ host: options.hostName });
    this.#failed.promise.catch(() => {});
    const { redis, keys, replication, metrics = NO_METRICS, now = Date.now } = deps;
    this.#recorders = new AttemptRecorders({ ...deps, log: this.#log, now });
    this.#attempts = new HostAttempts({
      ...deps,
      recorders: this.#recorders,
      archives: archivesOf(deps, options.repoArchiveCapBytes, now),
      references: new CacheReferences(redis, keys),
      host: options.hostName,
      incarnation: deps.identity.incarnation,
      attempts: new AttemptStore(redis, keys, { now, replication }),
      logs: countingLogs(new LogStore(redis, keys), metrics),
      executor: executors,
      tokens: new ConnectionTokens({ fetch: deps.outgoing.fetch, timeoutMs: FORGE_TIMEOUT_MS, now }),
      reportNow: () => this.#session.poke(),
      log: this.#log,
      now,
    });
    this.#lastMoves = new LastMoves(() => this.#leaveIfDrained(), options.unmarkedMs);
    this.#tasks = new TaskLanes({
      tasks: new HostTasks(redis, keys, now),
      writer: { host: options.hostName, incarnation: deps.identity.incarnation },
      handlers: {
        drop: dropCaches(executors, now),
        ...snapshotTasks(options.hostName, deps, executors),
        ...evaluations(deps.executors),
      },
      onIdle: () => {
        this.#lastMoves.taskEnded();
        this.#leaveIfDrained();
      },
      metrics,
      log: this.#log,
    });
    this.#diskGuard = new DiskGuard({
      minFreeDisk: options.minFreeDisk,
      measure: async () => await deps.disk?.(),
      free: (bytes) => executors.free(bytes),
      onLow: (isLow) => this.#session.change({ conditions: isLow ? ['low_disk'] : [] }),
      log: this.#log,
      now,
    });
    this.#session = new HostSession(
      new HostStore(redis, keys, now, replication),
      {
        name: options.hostName,
        slots: options.slots,
        labels: { ...options.labels },
        ...executors.report,
        ...(options.network && { network: options.network }),
        tasks: this.#tasks.types,
        accepting: true,
      },
      deps.identity,
      options,
      {
        desired: (state, sentAt) => {
          deps.onReport?.();
          this.#obey(state, sentAt);
        },
        fence: () => this.#attempts.fence(),
        extended: (untilMs) => executors.extendFence(untilMs),
        fatal: (error) => this.#expel(error),
        running: () => this.#attempts.calls,
        disk: async () => {
          const disk = await deps.disk?.();
          this.#disk = disk;
          // Before the host has joined, there is nobody to report to.
          if (disk && this.#consumer) this.#diskGuard.measured(disk);
          return disk;
        },
      },
      this.#log,
      metrics,
    );
    this.#collecting = collectHost(metrics, () => ({
      slots: options.slots,
      running: this.#attempts.calls.length,
      disk: this.#disk,
      ...executors.figures,
    }));
  }

  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  get left(): Promise<'drained' | 'removed'> {
    return this.#left.promise;
  }

  async start(): Promise<void> {
    const { redis, keys, events } = this.#deps;
    const { hostName, slots } = this.#options;
    await this.#session.join();
    this.#subscription = events.subscribe((event) => {
      // An event only brings the next report forward; the answer to the report contains what is wanted of this host.
      const isHost = event.type === 'host' && event.host === hostName;
      if (isHost || (event.type === 'build' && this.#attempts.runs(event.id))) this.#session.poke();
    });
    // After a failover another server answers, which hasn't heard of this host yet.
    redis.on('ready', this.#onReconnected);
    this.#consumer = consumeAttempts(
      redis,
      keys,
      hostName,
      { concurrency: MAX_JOBS, onError: (error) => this.#log.warn({ err: error }, 'queue error') },
      (call) => this.#attempts.run(call),
    );
    this.#executors.cachesWanted();
    void this.#diskGuard.check();
    this.#log.info({ slots, ...this.#executors.report }, 'worker joined');
    this.#leaveIfDrained();
  }

  async drain(deadlineMs: number): Promise<void> {
    const handBack = setTimeout(() => this.#attempts.handBack(), deadlineMs);
    await this.#leave(false);
    clearTimeout(handBack);
  }

  /** Leaves once, however often it is called. */
  #leave(drained: boolean): Promise<void> {
    this.#leaving ??= this.#depart(drained);
    return this.#leaving;
  }

  async #depart(drained: boolean): Promise<void> {
    this.#lastMoves.reset();
    this.#executors.stopWatching();
    const failed = (error: Error) => this.#log.warn({ err: error }, 'leaving the pool failed; trying again');
    if (!this.#expelled) {
      const leaving = persist(() => this.#session.change({ accepting: false }), failed);
      await leaving.catch((error) => this.#expelOrThrow(error));
    }
    // Attempts that were assigned before the pool knew are still arriving through the queue.
    while (!this.#expelled && this.#attempts.isBusy) {
      const changed = new Promise<void>((resolve) => {
        this.#onDesired = resolve;
      });
      await Promise.race([changed, this.#attempts.anyEnd()]);
      if (this.#attempts.isWaiting) this.#session.poke();
    }
    this.#attempts.endHandBack();
    await this.#tasks.close(LAST_TASK_MS);
    this.#diskGuard.close();
    this.#deps.redis.off('ready', this.#onReconnected);
    this.#subscription?.[Symbol.dispose]();
    await this.#consumer?.drain();
    await this.#executors.closeCaches(LAST_REPORT_MS);
    await this.#recorders.close(LAST_RECORD_MS);
    if (!this.#expelled) await persist(() => this.#session.leave(drained), failed);
    this.#collecting[Symbol.dispose]();
    this.#log.info({}, 'worker left');
  }

  /** Carries out the answer to a report. Slots need no action: the pool never assigns more attempts than there are. */
  #obey(state: DesiredState, sentAt: number): void {
    if (!state.inventoryKnown) this.#executors.cachesWanted();
    logOrders(this.#log, this.#desired, state, this.#options.slots);
    this.#desired = state;
    this.#desiredSentAt = sentAt;
    this.#attempts.obey(state, sentAt);
    this.#tasks.order(state.tasks);
    this.#onDesired();
    this.#leaveIfDrained();
  }

  #leaveIfDrained(): void {
    if (!this.#options.exitWhenDrained || this.#leaving || !this.#consumer) return;
    const drain = this.#desired?.drain;
    if (drain === undefined || this.#attempts.isBusy) {
      this.#lastMoves.reset();
      return;
    }
    const mayMove = this.#tasks.types.includes('save') && this.#executors.hasMounts;
    // A mark may be about the caches from before the last builds and tasks.
    const isCurrent = this.#executors.areCachesKnown(this.#desiredSentAt);
    const isMoved = !mayMove || (drain.caches === 'moved' && isCurrent);
    const situation = { isBusy: this.#tasks.isBusy, isMoved, isMarked: drain.caches !== undefined };
    if (this.#lastMoves.areOver(situation)) this.#leaveDrained();
  }

  #leaveDrained(): void {
    if (this.#leaving) return;
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

  /** Stops everything, because the pool no longer accepts anything from this worker. */
  #expel(error: Error): void {
    if (this.#expelled) return;
    this.#expelled = true;
    this.#diskGuard.close();
    this.#lastMoves.reset();
    this.#executors.abandonCaches();
    this.#executors.stopWatching();
    this.#session.abandon();
    this.#attempts.fence();
    this.#tasks.abandon();
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
