import type { AttemptCall } from '@kiln/contracts';
import type { Assignment, PlacementDecision } from '@kiln/domain';
import { type Metrics, NO_METRICS, type Traces } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import { type AttemptQueues, assignmentOf, NotLeader, type PendingStore } from '@kiln/state';
import type { Allowances } from './allowances.ts';
import type { PoolView, WaitingBuild } from './pool-view.ts';
import type { Seeding } from './seeding/seeding.ts';

/** How many waiting builds have their reasons updated in each pass, in turn, so that a deep queue doesn't delay placement. */
const EXPLAINED_A_PASS = 20;
/** With less warmth a seed is considered before a build starts. */
const COLD_WARMTH = 0.25;
/** A predicted start that moves by less doesn't make a new decision, ms. */
const PREDICTION_STEP_MS = 10_000;

export interface DispatcherDeps {
  readonly allowances: Allowances;
  /** Absent: hosts are not seeded. */
  readonly seeding?: Pick<Seeding, 'instead'> | undefined;
  readonly pending: Pick<PendingStore, 'assign' | 'explain'>;
  readonly queues: Pick<AttemptQueues, 'enqueue'>;
  readonly log: Logger;
  readonly metrics?: Metrics | undefined;
  readonly traces?: Pick<Traces, 'placed'> | undefined;
}

/** Carries out placement's decisions on behalf of the leader. */
export class Dispatcher {
  readonly #view: PoolView;
  readonly #allowances: Allowances;
  readonly #seeding: DispatcherDeps['seeding'];
  readonly #pending: DispatcherDeps['pending'];
  readonly #queues: DispatcherDeps['queues'];
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #traces: DispatcherDeps['traces'];
  /** `decisionKey` of the last reasons seen for each waiting build, so that unchanged ones aren't written again; least recently checked first. */
  readonly #explained = new Map<string, string>();

  constructor(view: PoolView, { allowances, seeding, pending, queues, log, metrics, traces }: DispatcherDeps) {
    this.#view = view;
    this.#allowances = allowances;
    this.#seeding = seeding;
    this.#pending = pending;
    this.#queues = queues;
    this.#log = log;
    this.#metrics = metrics ?? NO_METRICS;
    this.#traces = traces;
  }

  /**
   * Places waiting builds, then stores why the others wait. Returns when to dispatch again even if nothing happens, ms since the epoch;
   * undefined if time alone changes nothing.
   * @throws NotLeader
   */
  async dispatch(fencingToken: string): Promise<number | undefined> {
    let lookAgain: number | undefined;
    for (let again = true; again; ) {
      this.#view.applyLimits();
      const { assignments, lookAgainAt } = this.#view.pool.decide(this.#view.now, { explained: true });
      lookAgain = lookAgainAt;
      const allowed = this.#withinLimits(await this.#withoutSeeded(assignments, fencingToken));
      const carriedOut = await Promise.all(allowed.map((assignment) => this.#carryOut(assignment, fencingToken)));
      // Slots that placement chose for builds over a limit are free for others: decide again. Each round withholds the builds of one
      // more team or submitter. If an assignment was refused, the view is outdated; the event on its way triggers the next pass.
      again = allowed.length < assignments.length && carriedOut.every((done) => done);
    }
    await this.#explainWaiting();
    return lookAgain;
  }

  /** Keeps the assignments except those of builds that should wait for a seed, which is then on its way. */
  async #withoutSeeded(assignments: readonly Assignment[], fencingToken: string): Promise<readonly Assignment[]> {
    if (!this.#seeding) return assignments;
    const kept: Assignment[] = [];
    for (const assignment of assignments) {
      const { build, host, decision } = assignment;
      const isCold = decision?.predicted !== undefined && decision.predicted.warmth < COLD_WARMTH;
      if (!isCold || !(await this.#seeding.instead(build, host, fencingToken))) kept.push(assignment);
    }
    return kept;
  }

  /** Keeps the assignments that are within their limits, which placement doesn't know, and counts them as running. */
  #withinLimits(assignments: readonly Assignment[]): Assignment[] {
    return assignments.filter(({ build: id }) => {
      const waiting = this.#view.pending.get(id);
      if (!waiting || this.#allowances.exhausted(waiting.owners)) return false;
      this.#allowances.began(id, waiting.owners);
      return true;
    });
  }

  /** Assigns a build to its host and enqueues the job. Returns whether it did. */
  async #carryOut({ build: id, host, decision }: Assignment, fencingToken: string): Promise<boolean> {
    let call: AttemptCall | undefined;
    try {
      call = await this.#assign(id, host, decision, fencingToken);
    } finally {
      if (call === undefined) this.#allowances.ended(id);
    }
    if (call === undefined) return false;
    if (decision) {
      this.#metrics.count('kiln_placements_total', 1, { reason: decision.reason });
      this.#metrics.observe('kiln_placement_warmth_ratio', decision.predicted?.warmth ?? 0);
    }
    await this.#queues.enqueue(host, call);
    this.#log.info({ buildId: id, host, attempt: call.attempt, reason: decision?.reason }, 'build assigned');
    return true;
  }

  /** Assigns a build. Returns its new attempt, or undefined if the assignment was refused. @throws NotLeader */
  async #assign(
    id: string,
    name: string,
    decision: PlacementDecision | undefined,
    fencingToken: string,
  ): Promise<AttemptCall | undefined> {
    const waiting = this.#view.pending.get(id);
    const host = this.#view.hosts.get(name);
    // While an older attempt is being stopped the build waits; the next report of that host triggers the next pass.
    if (!waiting || !host || !decision || this.#view.isStopping(id)) return undefined;
    const { report, incarnation } = host;
    const chosen = { name, incarnation, slots: report.slots };
    const limits = this.#allowances.limitsFor(waiting.owners);
    const assigned = await this.#pending.assign(waiting.build, chosen, decision, fencingToken, limits);
    switch (assigned.outcome) {
      case 'assigned':
        this.#view.assigned(waiting, name);
        this.#traces?.placed(assigned.build, decision);
        return assignmentOf(assigned.build)?.call;
      case 'not_queued':
        this.#view.left(id);
        return undefined;
      case 'no_slot':
      case 'host_unfit':
      case 'team_limit':
      case 'token_limit':
        // The view is outdated; the event on its way triggers the next pass.
        return undefined;
      case 'store_full':
        // The build stays queued; the next tick tries again.
        this.#log.warn({ buildId: id }, 'build not assigned: redis is full');
        return undefined;
      case 'not_leader':
        throw new NotLeader();
    }
  }

  async #explainWaiting(): Promise<void> {
    const { pending } = this.#view;
    for (const id of this.#explained.keys()) if (!pending.has(id)) this.#explained.delete(id);
    const fresh: string[] = [];
    for (const id of pending.keys()) {
      if (fresh.length >= EXPLAINED_A_PASS) break;
      if (!this.#explained.has(id)) fresh.push(id);
    }
    const turn = [...fresh, ...this.#explained.keys()].slice(0, EXPLAINED_A_PASS);
    await Promise.all(turn.map((id) => this.#explain(id, pending.get(id))));
  }

  #decisionFor(id: string): PlacementDecision | undefined {
    const { now, pool } = this.#view;
    const withheld = this.#view.withheld(id);
    if (!withheld) return pool.explain(id, now);
    return { build: id, host: null, ...withheld, decidedAt: now, considered: [] };
  }

  async #explain(id: string, waiting: WaitingBuild | undefined): Promise<void> {
    const decision = this.#decisionFor(id);
    if (!waiting || !decision) return;
    const key = decisionKey(decision);
    const before = this.#explained.get(id);
    this.#explained.delete(id);
    this.#explained.set(id, key);
    // A build that is about to be assigned gets no reason for waiting.
    if (before === key || decision.host !== null) return;
    try {
      await this.#pending.explain(waiting.build, waiting.attempt, decision);
    } catch (error) {
      // A later pass writes it.
      this.#explained.delete(id);
      throw error;
    }
  }
}

/** Identifies a decision by its reasons. Times are left out or rounded, because they change every time. */
function decisionKey({ host, reason, limit, predicted, considered }: PlacementDecision): string {
  const start = predicted && Math.round(predicted.startAt / PREDICTION_STEP_MS);
  return JSON.stringify([host, reason, limit, start, considered.map((one) => [one.host, one.verdict, one.usedSlots])]);
}
