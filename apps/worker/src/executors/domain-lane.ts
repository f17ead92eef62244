import { EngineTaken } from '@kiln/buildkit';
import type { BuilderFault, Outcome, RepairAction } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import type { EndedAttempt } from '../caches/cache-reporter.ts';
import { reportingCaches } from '../caches/report-caches.ts';
import { EngineWatch, withEngineWatch } from '../engine/engine-watch.ts';
import type { DomainRequest, Executor, ExecutorInventory, ExecutorSource } from '../engine/executor.ts';
import { DomainHealer } from '../healing/domain-healer.ts';
import type { HostHealing } from '../healing/host-healing.ts';
import { retryPastFault, withoutFault } from '../healing/retry-past-fault.ts';

/** How long a domain's executor is kept running without a build, ms. */
export const DEFAULT_BUILDER_IDLE_MS = 1_800_000;
/** Delay before an executor that couldn't be started is tried again, ms; doubled each time up to `LAST_RETRY_MS`. */
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

/** Reports an executor's caches while it is up: a `CacheReporter`. */
export interface LaneCaches {
  readonly last?: ExecutorInventory | undefined;
  readonly isBehind?: boolean;
  isWarm(repo: string, namespace: string | undefined): boolean | undefined;
  wanted(): void;
  /** The contents have changed without an attempt. */
  changed(): void;
  attemptEnded(attempt: EndedAttempt): void;
  close(withinMs: number): Promise<void>;
  abandon(): void;
}

export interface DomainLaneDeps {
  readonly domain: string;
  /** Brings the executor up. */
  open(): Promise<Executor>;
  /** Stops it; its caches stay. */
  stop(): Promise<void>;
  /** Creates the executor's reporter; undefined if it has no caches. */
  caches(executor: Executor): LaneCaches | undefined;
  /** The fence of the current lease, ms since the epoch; undefined before the first lease. */
  fenceMs(): number | undefined;
  /** Called when the domain's executor stops answering or can't be started, and when it is back. */
  onAway(isAway: boolean): Promise<void>;
  readonly checkEveryMs: number;
  readonly healing: HostHealing;
  /** Determines why the executor can't be started or doesn't answer. */
  readonly whyDown: ExecutorSource['whyDown'];
  /** Called when something happened to the executor that the host reports. */
  onIncident(): Promise<void>;
  /** How long the executor is kept running without a build, ms; undefined: forever. */
  readonly idleMs: number | undefined;
  readonly now: () => number;
  readonly log: Logger;
}

/** How often an executor fails to start, for no known reason, before it is repaired. */
const STARTS = 2;
const QUARANTINED: Outcome = {
  end: 'failed',
  failure: { code: 'infrastructure', message: 'the host’s builder for these builds is being repaired' },
};

interface Up {
  readonly executor: Executor;
  readonly running: Pick<Executor, 'run'>;
  readonly caches: LaneCaches | undefined;
  readonly watch: EngineWatch | undefined;
}

/** How long an executor that is stopped waits for its last report of the caches, ms. */
const LAST_REPORT_MS = 5_000;

/** One isolation domain's executor: started when a build needs it, watched while it is up, and stopped when it has been idle. */
export class DomainLane {
  readonly #deps: DomainLaneDeps;
  #up: Promise<Up> | undefined;
  #now: Up | undefined;
  #stopping: Promise<void> = Promise.resolve();
  #users = 0;
  #idle: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;
  #failedStarts = 0;
  #down: NodeJS.Timeout | undefined;
  #onIdle: (() => void) | undefined;
  readonly #away = { engine: false, quarantine: false };
  readonly #healer: DomainHealer;

  constructor(deps: DomainLaneDeps) {
    this.#deps = deps;
    const { domain, healing, log, now, onIncident } = deps;
    this.#healer = new DomainHealer({
      ...{ domain, log, now, onIncident, ledger: healing.ledger, limits: healing.limits, metrics: healing.metrics },
      possible: (isUp) => healing.possible(isUp),
      repair: (action, fault) => this.#repair(action, fault),
      quarantine: (isQuarantined) => this.#setAway({ quarantine: isQuarantined }),
    });
  }

  /** Whether a build of the domain runs or waits for its executor. */
  get isBusy(): boolean {
    return this.#users > 0;
  }

  get isUp(): boolean {
    return this.#now !== undefined;
  }

  /** Whether the executor's caches have changed since the last report. */
  get areCachesBehind(): boolean {
    return this.#now?.caches?.isBehind ?? false;
  }

  /** Runs an attempt, and starts the executor first if necessary. Rejects if that fails, or `signal` aborts meanwhile. */
  async run(request: DomainRequest, signal: AbortSignal): Promise<Outcome> {
    // A build that was assigned just before the quarantine.
    if (this.#healer.isQuarantined) return QUARANTINED;
    return await this.#use(async () => this.#runHealing(await unlessAborted(this.#bringUp(), signal), request, signal));
  }

  async #runHealing({ executor, running }: Up, request: DomainRequest, signal: AbortSignal): Promise<Outcome> {
    const { now } = this.#deps;
    const forget = async (fault: BuilderFault) => (await executor.forget?.(fault)) ?? 0;
    const run = running.run.bind(running);
    const { outcome, cured } = await retryPastFault({ run, forget, now }, request, signal);
    if (cured) await this.#healer.note(cured, 'retried');
    const { fault } = outcome;
    if (fault && !fault.isSuspected && !signal.aborted) {
      await this.#healer.note(fault, 'handed_back');
      // The pool has to know before the build is queued again, or it would come back here.
      await this.#healer.heal(fault, isAnswering(fault));
    }
    return withoutFault(outcome);
  }

  /** Starts the executor before a build needs it. */
  async open(): Promise<void> {
    await this.#use(() => this.#bringUp());
  }

  /** Calls `use` with the executor, which is started first if necessary. */
  async with(use: (executor: Executor) => Promise<void>): Promise<void> {
    await this.#use(async () => use((await this.#bringUp()).executor));
  }

  /** Stops the executor unless a build needs it. @returns whether it is stopped */
  async rest(): Promise<boolean> {
    if (this.#users > 0) return false;
    const up = this.#now;
    if (!up) return this.#up === undefined;
    this.#forget();
    this.#stopping = this.#stop(up);
    await this.#stopping;
    return true;
  }

  async extendFence(untilMs: number): Promise<void> {
    await this.#now?.executor.extendFence(untilMs);
  }

  cachesWanted(): void {
    this.#now?.caches?.wanted();
  }

  cachesChanged(): void {
    this.#now?.caches?.changed();
  }

  /** Stops watching the executor, which keeps running. Attempts that have ended are reported first, within `withinMs`. */
  async close(withinMs: number): Promise<void> {
    this.stopWatching();
    await this.#now?.caches?.close(withinMs);
  }

  abandon(): void {
    this.stopWatching();
    this.#now?.caches?.abandon();
  }

  stopWatching(): void {
    this.#closed = true;
    this.#healer.close();
    clearTimeout(this.#idle);
    clearTimeout(this.#retry);
    clearTimeout(this.#down);
    this.#now?.watch?.stop();
  }

  async #use<T>(use: () => Promise<T>): Promise<T> {
    this.#users += 1;
    clearTimeout(this.#idle);
    try {
      return await use();
    } finally {
      this.#users -= 1;
      if (this.#users === 0) this.#onIdle?.();
      this.#restLater();
    }
  }

  #restLater(): void {
    const { idleMs, log, domain } = this.#deps;
    clearTimeout(this.#idle);
    if (idleMs === undefined || this.#closed || this.#users > 0) return;
    this.#idle = setTimeout(() => {
      this.rest().then(
        (rests) => rests && log.info({ domain, idleMs }, 'idle builder stopped'),
        (error: unknown) => log.warn({ err: error, domain }, 'stopping the idle builder failed'),
      );
    }, idleMs);
  }

  /** Starts the executor once, however many builds need it at the same time. */
  #bringUp(): Promise<Up> {
    this.#up ??= this.#start().catch((error: unknown) => {
      this.#up = undefined;
      throw error;
    });
    return this.#up;
  }

  async #start(): Promise<Up> {
    const { log, domain, fenceMs } = this.#deps;
    clearTimeout(this.#retry);
    await this.#stopping;
    let up: Up;
    try {
      const executor = await this.#deps.open();
      const untilMs = fenceMs();
      if (untilMs !== undefined) await executor.extendFence(untilMs);
      up = this.#watched(executor);
    } catch (error) {
      // Trying again wouldn't help: the host serves another domain for good.
      if (error instanceof EngineTaken) throw error;
      log.error({ err: error, domain }, 'starting the builder failed; accepting none of its builds until it succeeds');
      await this.#setAway({ engine: true }).catch(() => undefined);
      this.#failedStarts += 1;
      if (!this.#healer.isQuarantined && !(await this.#healUnstartable(error))) this.#tryAgain();
      throw error;
    }
    const isBack = this.#away.engine;
    this.#failedStarts = 0;
    this.#retryMs = FIRST_RETRY_MS;
    this.#now = up;
    up.caches?.wanted();
    if (isBack)
      await this.#setAway({ engine: false }).catch((error: unknown) =>
        log.warn({ err: error }, 'reporting the change to the pool failed'),
      );
    return up;
  }

  #watched(executor: Executor): Up {
    const { checkEveryMs, log, now } = this.#deps;
    const caches = this.#deps.caches(executor);
    const watch =
      executor.ping &&
      new EngineWatch({
        check: executor.ping.bind(executor),
        onChange: (isThere) => this.#answers(isThere),
        everyMs: checkEveryMs,
        log,
      });
    const reporting = caches ? reportingCaches(executor, caches, now) : executor;
    return { executor, running: watch ? withEngineWatch(reporting, watch) : reporting, caches, watch };
  }

  /** While a domain is away it gets no build that would start the executor, so this does. */
  #tryAgain(): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => void this.open().catch(() => undefined), this.#retryMs);
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
  }

  async #setAway(change: Partial<Record<'engine' | 'quarantine', boolean>>): Promise<void> {
    Object.assign(this.#away, change);
    await this.#deps.onAway(this.#away.engine || this.#away.quarantine);
  }

  async #answers(isThere: boolean): Promise<void> {
    clearTimeout(this.#down);
    if (!isThere) this.#down = setTimeout(() => void this.#healUnanswering(), this.#deps.healing.unansweringMs);
    await this.#setAway({ engine: !isThere });
  }

  /** Begins to heal an executor that can't be started, if it is to blame. @returns whether it does */
  async #healUnstartable(error: unknown): Promise<boolean> {
    const fault = await this.#whyDown(error instanceof Error ? error.message : String(error));
    // One failure without a known reason may pass.
    if (!fault || (fault.state === 'down' && this.#failedStarts < STARTS)) return false;
    await this.#healer.heal(fault, false);
    return true;
  }

  async #healUnanswering(): Promise<void> {
    const fault = await this.#whyDown(`BuildKit has not answered for ${this.#deps.healing.unansweringMs} ms`);
    if (this.#closed || !this.#away.engine) return;
    if (fault) await this.#healer.heal(fault.state === 'down' ? { ...fault, state: 'stuck' } : fault, false);
    // The whole engine is away: not the builder's fault.
    else await this.#answers(false).catch(() => undefined);
  }

  async #whyDown(error: string): Promise<BuilderFault | undefined> {
    const { whyDown, domain } = this.#deps;
    return await whyDown?.(domain, error).catch(() => undefined);
  }

  async #repair(action: RepairAction | undefined, fault: BuilderFault): Promise<void> {
    const { healing, domain } = this.#deps;
    clearTimeout(this.#retry);
    // Builds on a daemon that doesn't answer would never end by themselves.
    if (isAnswering(fault)) await this.#untilIdle();
    if (action === 'pruned') await this.with(async (executor) => void (await executor.forget?.(fault)));
    if (action === 'restarted' || action === 'new_state') {
      await this.#takeDown();
      if (action === 'new_state') await healing.renew(domain);
    }
    await this.with(async (executor) => await executor.probe?.());
    await this.#setAway({ engine: false });
  }

  async #takeDown(): Promise<void> {
    const up = this.#now;
    this.#forget();
    this.#stopping = up ? this.#stop(up) : this.#deps.stop();
    await this.#stopping;
  }

  async #untilIdle(): Promise<void> {
    while (this.#users > 0 && !this.#closed) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  #forget(): void {
    this.#up = undefined;
    this.#now = undefined;
  }

  async #stop({ caches, watch }: Up): Promise<void> {
    watch?.stop();
    await caches?.close(LAST_REPORT_MS);
    await this.#deps.stop();
  }
}

/** Whether the daemon answers in the fault's state. */
function isAnswering({ state }: BuilderFault): boolean {
  return state !== 'stuck' && state !== 'down' && state !== 'out_of_memory';
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    work.catch(() => undefined);
  }
}
