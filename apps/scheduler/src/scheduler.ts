import { type LimitDefaults, limitDefaults } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import {
  type AttemptQueues,
  type AttemptStore,
  type BuildStore,
  type FollowUps,
  type HistoryStore,
  type HostStore,
  type Leadership,
  type LearnedStore,
  type LimitStore,
  NotLeader,
  type PendingStore,
  type PoolEvents,
} from '@kiln/state';
import { Allowances } from './allowances.ts';
import { Housekeeper } from './housekeeper.ts';
import { Dispatcher } from './dispatcher.ts';
import { PoolView } from './pool-view.ts';
import { Settling } from './settling.ts';

export interface SchedulerConfig {
  /** How long the lease of leadership lasts without renewal, ms. */
  readonly leaderTtlMs: number;
  /** How often the leader looks for dead hosts and places anew without any event, ms. */
  readonly tickMs: number;
  /** How long an ended build is kept, ms. */
  readonly buildRetentionMs: number;
  /** How long a host that lives may hold an attempt that it reports it doesn't run, ms; longer than a host's lease. Default: a minute. */
  readonly idleAttemptMs?: number;
  /** What teams and credentials may do, unless something is set for them by themselves. */
  readonly limits: LimitDefaults;
}

export const DEFAULT_SCHEDULER: SchedulerConfig = {
  leaderTtlMs: 6_000,
  tickMs: 1_000,
  buildRetentionMs: 30 * 24 * 3_600_000,
  limits: limitDefaults(),
};

export interface SchedulerDeps {
  readonly builds: BuildStore;
  readonly attempts: AttemptStore;
  readonly hosts: HostStore;
  readonly pending: PendingStore;
  readonly followUps: FollowUps;
  readonly history: HistoryStore;
  readonly learned: LearnedStore;
  readonly limits: LimitStore;
  readonly queues: AttemptQueues;
  readonly events: PoolEvents;
  readonly leadership: Leadership;
  readonly log: Logger;
  readonly now?: () => number;
  /** Called after each round in which it led, or saw that another does. */
  readonly onRound?: () => void;
}

export interface RunningScheduler {
  /** Stops placing and gives the lease up. */
  close(): Promise<void>;
}

/** Jobs of assigned builds are looked after, and old builds purged, once in so many ticks. */
const HOUSEKEEPING_TICKS = 10;
const IDLE_ATTEMPT_MS = 60_000;

/**
 * Starts a scheduler. Several may run; the one that leads places builds and takes back what dead hosts held, the others wait for
 * its lease to end.
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
  readonly #view: PoolView;
  readonly #dispatcher: Dispatcher;
  readonly #housekeeper: Housekeeper;
  readonly #settling = new Settling();
  #token: string | undefined;
  /** The token of the leadership for which the view was built: whoever leads with another one doesn't place yet. */
  #viewToken: string | undefined;
  #ticks = 0;
  /** Something failed: what was missed by that is looked after at the next tick. */
  #overdue = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #subscription: Disposable | undefined;
  /** Everything that touches the view runs one after the other. */
  #work: Promise<void> = Promise.resolve();
  #passDue = false;
  /** Beside that: it takes long where there is much, and touches nothing of the view. */
  #purging: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(config: SchedulerConfig, deps: SchedulerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#now = deps.now ?? Date.now;
    const allowances = new Allowances(config.limits, deps.limits);
    this.#view = new PoolView({ ...deps, allowances, now: this.#now });
    this.#dispatcher = new Dispatcher(this.#view, { ...deps, allowances });
    this.#housekeeper = new Housekeeper(deps);
  }

  start(): void {
    this.#subscription = this.#deps.events.subscribe((event) => {
      if (this.#token === undefined) return;
      this.#enqueue(async () => {
        await this.#view.apply(event);
        this.#schedulePass();
      });
    });
    this.#enqueue(() => this.#tick());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#subscription?.[Symbol.dispose]();
    await this.#work;
    await this.#purging;
    if (this.#token !== undefined) await this.#deps.leadership.release();
  }

  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (!this.#closed && !(await this.#attempt(work))) this.#overdue = true;
    });
  }

  /** A failed piece of work is said and left: while it is overdue, the next tick compares everything with Redis, and does what is missing. */
  async #attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (error instanceof NotLeader) this.#token = undefined;
      else this.#deps.log.error({ err: error }, 'scheduler work failed');
      return false;
    }
  }

  /** Several events in a row are answered by one pass. */
  #schedulePass(): void {
    if (this.#passDue) return;
    this.#passDue = true;
    this.#enqueue(() => {
      this.#passDue = false;
      return this.#pass();
    });
  }

  async #pass(): Promise<void> {
    if (this.#token === undefined || this.#token !== this.#viewToken) return;
    await this.#housekeeper.followUp();
    if (this.#settling.isOver(this.#view.hosts, this.#view.now)) await this.#dispatcher.dispatch(this.#token);
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
      this.#viewToken = token;
    } else if (housekeeping) {
      // Events may be trimmed while a leader is away from Redis; the truth is read anew now and then.
      await this.#view.refresh();
    }
    if (housekeeping) this.#purgeExpired();
    for (const work of this.#chores(token, housekeeping)) this.#overdue = !(await this.#attempt(work)) || this.#overdue;
    // Kept until it is saved: nothing is overdue by that.
    await this.#attempt(() => this.#view.saveLearned(token));
  }

  /** What a round is for, beside its events; none of it keeps the rest from being done. */
  #chores(token: string, housekeeping: boolean): (() => Promise<void>)[] {
    const { idleAttemptMs = IDLE_ATTEMPT_MS } = this.#config;
    const often = [() => this.#housekeeper.reclaimLost(this.#view, this.#settling, token), () => this.#pass()];
    if (!housekeeping) return often;
    const idle = () => this.#housekeeper.reclaimIdle(this.#view, idleAttemptMs, token);
    return [...often, idle, () => this.#housekeeper.restoreJobs()];
  }
}
