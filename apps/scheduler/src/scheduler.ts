import type { PoolEvent } from '@kiln/contracts';
import { type LimitDefaults, limitDefaults, type PlacementSettings } from '@kiln/domain';
import { type Metrics, NO_METRICS, observeMs, type Traces } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import {
  type AttemptQueues,
  type AttemptStore,
  type BuildStore,
  type FollowUps,
  type HistoryStore,
  type HostStore,
  type HostTasks,
  type Leadership,
  type LearnedStore,
  type LimitStore,
  NotLeader,
  type PendingStore,
  type PoolEvents,
} from '@kiln/state';
import { Abandoner } from './abandoner.ts';
import { Allowances } from './allowances.ts';
import { Dispatcher } from './dispatcher.ts';
import { Housekeeper } from './housekeeper.ts';
import { collectPool } from './pool-metrics.ts';
import { PoolView } from './pool-view.ts';
import { markMoves } from './seeding/drained-hosts.ts';
import { Seeding } from './seeding/seeding.ts';
import { Settling } from './settling.ts';

export interface SchedulerConfig {
  /** How long the leader's lease lasts without renewal, ms. */
  readonly leaderTtlMs: number;
  /** How often the leader checks for lost hosts and runs a placement pass without any event, ms. */
  readonly tickMs: number;
  /** How long an ended build is kept, ms. */
  readonly buildRetentionMs: number;
  /** How long a live host may hold an attempt that, by its own reports, it doesn't run, ms; longer than a host's lease. Default: a minute. */
  readonly idleAttemptMs?: number;
  /** Limits of teams and tokens that have none of their own. */
  readonly limits: LimitDefaults;
  /** Default: `DEFAULT_PLACEMENT`. */
  readonly placement?: PlacementSettings;
  /** How long a host that stopped reporting still counts as one that builds may wait for, ms. Default: 10 minutes. */
  readonly hostGraceMs?: number;
  /** Whether hosts are filled with caches of others. Default: true. */
  readonly seeding?: boolean;
}

export const DEFAULT_SCHEDULER: SchedulerConfig = {
  leaderTtlMs: 6_000,
  tickMs: 1_000,
  buildRetentionMs: 30 * 24 * 3_600_000,
  limits: limitDefaults(),
};

export interface SchedulerDeps {
  readonly builds: Pick<BuildStore, 'get' | 'record'>;
  readonly attempts: Pick<AttemptStore, 'reclaim'>;
  readonly hosts: Pick<HostStore, 'departed' | 'get' | 'list' | 'idle' | 'purgeLost' | 'markMoves'>;
  readonly pending: Pick<PendingStore, 'queuedIds' | 'assignedIds' | 'assign' | 'abandon' | 'explain'>;
  readonly followUps: Pick<FollowUps, 'run'>;
  readonly history: Pick<HistoryStore, 'purge'>;
  readonly learned: Pick<LearnedStore, 'load' | 'save'>;
  readonly limits: Pick<LimitStore, 'all'>;
  readonly queues: Pick<AttemptQueues, 'enqueue'>;
  readonly tasks: Pick<HostTasks, 'createAsLeader' | 'get' | 'list'>;
  readonly events: Pick<PoolEvents, 'subscribe'>;
  readonly leadership: Pick<Leadership, 'hold' | 'release' | 'server'>;
  readonly log: Logger;
  /** Default: nothing is recorded. */
  readonly metrics?: Metrics;
  /** Default: placements are not traced. */
  readonly traces?: Pick<Traces, 'placed'>;
  readonly now?: () => number;
  /** Called after each round that succeeded, whether this scheduler leads or another one does. */
  readonly onRound?: () => void;
}

export interface RunningScheduler {
  /** Stops placing and releases the leader's lease. */
  close(): Promise<void>;
}

/** The leader restores jobs, reclaims idle attempts and purges expired builds once in this many ticks. */
const HOUSEKEEPING_TICKS = 10;
const IDLE_ATTEMPT_MS = 60_000;

/**
 * Starts a scheduler. Several may run: the leader places builds and reclaims those of lost hosts, the others wait for its lease to end.
 */
export function startScheduler(config: SchedulerConfig, deps: SchedulerDeps): RunningScheduler {
  const scheduler = new Scheduler(config, deps);
  scheduler.start();
  return scheduler;
}

class Scheduler implements RunningScheduler {
  readonly #config: SchedulerConfig;
  readonly #deps: SchedulerDeps;
  readonly #now: () => number;
  readonly #metrics: Metrics;
  readonly #collecting: Disposable;
  readonly #view: PoolView;
  readonly #dispatcher: Dispatcher;
  readonly #abandoner: Abandoner;
  readonly #housekeeper: Housekeeper;
  readonly #seeding: Seeding | undefined;
  readonly #settling = new Settling();
  #token: string | undefined;
  /** The fencing token under which the view was built; nothing is placed while the current token is another one. */
  #viewToken: string | undefined;
  /** When the view was built, ms since the epoch. */
  #since = 0;
  #ticks = 0;
  /** Something failed; the next tick compares the view with Redis and does all periodic work. */
  #overdue = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  /** Runs a pass when the last one's decisions may change with time alone. */
  #lookAgain: NodeJS.Timeout | undefined;
  #subscription: Disposable | undefined;
  /** Serializes everything that touches the view. */
  #work: Promise<void> = Promise.resolve();
  /** Events that aren't applied yet. */
  readonly #events: PoolEvent[] = [];
  /** Purging runs beside that: it may take long, and it doesn't touch the view. */
  #purging: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(config: SchedulerConfig, deps: SchedulerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#now = deps.now ?? Date.now;
    this.#metrics = deps.metrics ?? NO_METRICS;
    const allowances = new Allowances(config.limits, deps.limits);
    this.#view = new PoolView({ ...deps, allowances, now: this.#now, placement: config.placement });
    this.#seeding = (config.seeding ?? true) ? new Seeding(this.#view, deps) : undefined;
    this.#dispatcher = new Dispatcher(this.#view, { ...deps, allowances, seeding: this.#seeding });
    this.#abandoner = new Abandoner(this.#view, deps, config.hostGraceMs);
    this.#housekeeper = new Housekeeper(deps);
    this.#collecting = collectPool(this.#metrics, {
      view: this.#view,
      seeding: this.#seeding,
      isLeading: () => this.#leads,
    });
  }

  start(): void {
    this.#subscription = this.#deps.events.subscribe((event) => {
      if (this.#token === undefined) return;
      this.#events.push(event);
      if (event.type === 'task') this.#seeding?.note(event.id);
      this.#scheduleEvents();
    });
    this.#enqueue(() => this.#tick());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#collecting[Symbol.dispose]();
    this.#stop.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#lookAgain);
    this.#subscription?.[Symbol.dispose]();
    await this.#work;
    await this.#purging;
    if (this.#token !== undefined) await this.#deps.leadership.release();
  }

  /** Whether this scheduler leads, and its view is from then. */
  get #leads(): boolean {
    return this.#token !== undefined && this.#token === this.#viewToken;
  }

  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (!this.#closed && !(await this.#attempt(work))) this.#overdue = true;
    });
  }

  /** Runs `work` and logs its failure. Returns whether it succeeded. */
  async #attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (error instanceof NotLeader) this.#token = undefined;
      else {
        this.#metrics.count('kiln_scheduler_failures_total', 1);
        this.#deps.log.error({ err: error }, 'scheduler work failed');
      }
      return false;
    }
  }

  /** Applies all events that arrive before their turn together, followed by one pass. */
  #scheduleEvents(): void {
    if (this.#events.length > 1) return;
    this.#enqueue(() => this.#view.apply(this.#events.splice(0)));
    this.#enqueue(() => this.#pass());
  }

  async #pass(): Promise<void> {
    if (this.#token === undefined || !this.#leads) return;
    const startedAt = performance.now();
    await this.#housekeeper.followUp();
    if (!this.#settling.isOver(this.#view.hosts, this.#view.now)) return;
    await this.#seeding?.advance(this.#token);
    const lookAgainAt = await this.#dispatcher.dispatch(this.#token);
    await this.#abandoner.abandon(this.#since, this.#token);
    observeMs(this.#metrics, 'kiln_placement_pass_duration_seconds', performance.now() - startedAt);
    clearTimeout(this.#lookAgain);
    if (lookAgainAt === undefined || this.#closed) return;
    this.#lookAgain = setTimeout(() => this.#enqueue(() => this.#pass()), lookAgainAt - this.#view.now);
  }

  async #moveCaches(token: string): Promise<void> {
    await this.#seeding?.ahead(token);
    await markMoves(this.#view, this.#seeding, this.#deps.hosts, token);
  }

  #purgeExpired(): void {
    const endedBy = this.#now() - this.#config.buildRetentionMs;
    this.#purging ??= this.#housekeeper.purgeExpired(endedBy, this.#stop.signal).finally(() => {
      this.#purging = undefined;
    });
  }

  async #tick(): Promise<void> {
    try {
      await this.#lead();
      this.#deps.onRound?.();
    } finally {
      const { tickMs } = this.#config;
      if (!this.#closed) this.#timer = setTimeout(() => this.#enqueue(() => this.#tick()), tickMs);
    }
  }

  async #lead(): Promise<void> {
    const { leadership, log } = this.#deps;
    const token = await leadership.hold();
    if (token !== undefined && token !== this.#token) log.info({ fencingToken: token }, 'scheduler leads');
    this.#token = token;
    if (token === undefined) return;
    const { server } = leadership;
    const isOtherServer = this.#settling.note(server, this.#view.hosts, this.#view.now);
    if (isOtherServer && server?.changedAgoMs !== undefined) log.warn({ server: server.id }, 'redis was replaced');
    const isNew = token !== this.#viewToken || isOtherServer;
    const housekeeping = this.#ticks++ % HOUSEKEEPING_TICKS === 0 || this.#overdue || isNew;
    this.#overdue = false;
    if (isNew) {
      this.#viewToken = undefined;
      await this.#view.rebuild();
      await this.#seeding?.refresh(true);
      this.#viewToken = token;
      this.#since = this.#view.now;
    } else if (housekeeping) {
      // Events may be trimmed while a leader is cut off from Redis.
      await this.#view.refresh();
      await this.#seeding?.refresh(false);
    } else this.#seeding?.note();
    if (housekeeping) this.#purgeExpired();
    for (const work of this.#chores(token, housekeeping)) this.#overdue = !(await this.#attempt(work)) || this.#overdue;
    // Estimates are kept until they are saved, so a failure makes nothing overdue.
    await this.#attempt(() => this.#view.saveLearned(token));
  }

  /** The work of a round beside its events. If one part fails, the others still run. */
  #chores(token: string, housekeeping: boolean): (() => Promise<void>)[] {
    const { idleAttemptMs = IDLE_ATTEMPT_MS } = this.#config;
    const often = [() => this.#housekeeper.reclaimLost(this.#view, this.#settling, token), () => this.#pass()];
    // Seeds come after the pass, so that builds which can start don't wait for them.
    if (this.#settling.isOver(this.#view.hosts, this.#view.now)) often.push(() => this.#moveCaches(token));
    if (!housekeeping) return often;
    const idle = () => this.#housekeeper.reclaimIdle(this.#view, idleAttemptMs, token);
    return [...often, idle, () => this.#housekeeper.restoreJobs()];
  }
}
