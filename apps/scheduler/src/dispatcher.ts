import type { AttemptCall } from '@kiln/contracts';
import type { Assignment, PlacementDecision } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import { type AttemptQueues, assignmentOf, NotLeader, type PendingStore } from '@kiln/state';
import type { Allowances } from './allowances.ts';
import type { PoolView, WaitingBuild } from './pool-view.ts';

/** Reasons for waiting are looked after for so many builds in a pass, in turn, so that a deep queue doesn't hold up placing. */
const EXPLAINED_A_PASS = 20;
/** A predicted time that moved by less is no other reason, ms. */
const PREDICTION_STEP_MS = 10_000;

export interface DispatcherDeps {
  readonly allowances: Allowances;
  readonly pending: PendingStore;
  readonly queues: AttemptQueues;
  readonly log: Logger;
}

/** Carries out what placement decides, in the name of the leader with `fencingToken`. */
export class Dispatcher {
  readonly #view: PoolView;
  readonly #allowances: Allowances;
  readonly #pending: PendingStore;
  readonly #queues: AttemptQueues;
  readonly #log: Logger;
  /** Last reasons written for a waiting build, so that unchanged ones aren't written again; whose turn was longest ago first. */
  readonly #explained = new Map<string, string>();

  constructor(view: PoolView, { allowances, pending, queues, log }: DispatcherDeps) {
    this.#view = view;
    this.#allowances = allowances;
    this.#pending = pending;
    this.#queues = queues;
    this.#log = log;
  }

  /**
   * Decides over all that waits, and does so.
   * @throws NotLeader
   */
  async dispatch(fencingToken: string): Promise<void> {
    for (let again = true; again; ) {
      this.#view.applyLimits();
      const { assignments } = this.#view.pool.decide(this.#view.now, { explained: true });
      const allowed = this.#withinLimits(assignments);
      const carriedOut = await Promise.all(allowed.map((assignment) => this.#carryOut(assignment, fencingToken)));
      // The slots that were meant for builds over a limit are for others now. Each round withholds one more team's or credential's;
      // where the view is behind, the event that tells so brings the next pass.
      again = allowed.length < assignments.length && carriedOut.every((done) => done);
    }
    await this.#explainWaiting();
  }

  /** Placement knows nothing of limits: of what it gives to hosts at once, those that are still within them. They count from now on. */
  #withinLimits(assignments: readonly Assignment[]): Assignment[] {
    return assignments.filter(({ build: id }) => {
      const waiting = this.#view.pending.get(id);
      if (!waiting || this.#allowances.exhausted(waiting.owners)) return false;
      this.#allowances.began(id, waiting.owners);
      return true;
    });
  }

  /** Whether the build has its host now. */
  async #carryOut({ build: id, host, decision }: Assignment, fencingToken: string): Promise<boolean> {
    let call: AttemptCall | undefined;
    try {
      call = await this.#assign(id, host, decision, fencingToken);
    } finally {
      if (call === undefined) this.#allowances.ended(id);
    }
    if (call === undefined) return false;
    await this.#queues.enqueue(host, call);
    this.#log.info({ buildId: id, host, attempt: call.attempt, reason: decision?.reason }, 'build assigned');
    return true;
  }

  /** The attempt that the build has got; undefined where it has none. @throws NotLeader */
  async #assign(
    id: string,
    name: string,
    decision: PlacementDecision | undefined,
    fencingToken: string,
  ): Promise<AttemptCall | undefined> {
    const waiting = this.#view.pending.get(id);
    const host = this.#view.hosts.get(name);
    // Where it is still being stopped the next report of that host brings the next pass.
    if (!waiting || !host || !decision || this.#view.isStopping(id)) return undefined;
    const { report, incarnation } = host;
    const chosen = { name, incarnation, slots: report.slots };
    const limits = this.#allowances.limitsFor(waiting.owners);
    const assigned = await this.#pending.assign(waiting.build, chosen, decision, fencingToken, limits);
    switch (assigned.outcome) {
      case 'assigned':
        this.#view.assigned(waiting, name);
        return assignmentOf(assigned.build)?.call;
      case 'not_queued':
        this.#view.left(id);
        return undefined;
      case 'no_slot':
      case 'host_unfit':
      case 'team_limit':
      case 'token_limit':
        // The view was behind; the event that tells so is on its way, and brings the next pass.
        return undefined;
      case 'store_full':
        // It stays in the queue; the next tick brings the next pass.
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
    const words = decisionKey(decision);
    const before = this.#explained.get(id);
    this.#explained.delete(id);
    this.#explained.set(id, words);
    // One that is about to be given a host isn't said to wait.
    if (before === words || decision.host !== null) return;
    try {
      await this.#pending.explain(waiting.build, waiting.attempt, decision);
    } catch (error) {
      // Not written: to be written by a later pass.
      this.#explained.delete(id);
      throw error;
    }
  }
}

/** What makes a decision another one: its times change with every look. */
function decisionKey({ host, reason, limit, predicted, considered }: PlacementDecision): string {
  const start = predicted && Math.round(predicted.startAt / PREDICTION_STEP_MS);
  return JSON.stringify([host, reason, limit, start, considered.map((one) => [one.host, one.verdict, one.usedSlots])]);
}
