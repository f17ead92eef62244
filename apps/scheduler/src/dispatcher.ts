import type { Assignment, PlacementDecision } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import { type AttemptQueues, NotLeader, type PendingStore } from '@kiln/state';
import type { PoolView, WaitingBuild } from './pool-view.ts';

/** Reasons for waiting are looked after for so many builds in a pass, in turn, so that a deep queue doesn't hold up placing. */
const EXPLAINED_A_PASS = 20;
/** A predicted time that moved by less is no other reason, ms. */
const PREDICTION_STEP_MS = 10_000;

/** Carries out what placement decides, in the name of the leader with `fencingToken`. */
export class Dispatcher {
  readonly #view: PoolView;
  readonly #pending: PendingStore;
  readonly #queues: AttemptQueues;
  readonly #log: Logger;
  /** Last reasons written for a waiting build, so that unchanged ones aren't written again; whose turn was longest ago first. */
  readonly #explained = new Map<string, string>();

  constructor(view: PoolView, pending: PendingStore, queues: AttemptQueues, log: Logger) {
    this.#view = view;
    this.#pending = pending;
    this.#queues = queues;
    this.#log = log;
  }

  /**
   * Decides over all that waits, and does so.
   * @throws NotLeader
   */
  async dispatch(fencingToken: number): Promise<void> {
    const { assignments } = this.#view.pool.decide(this.#view.now, { explained: true });
    await Promise.all(assignments.map((assignment) => this.#carryOut(assignment, fencingToken)));
    await this.#explainWaiting();
  }

  async #carryOut({ build: id, host: name, decision }: Assignment, fencingToken: number): Promise<void> {
    const waiting = this.#view.pending.get(id);
    const host = this.#view.hosts.get(name);
    if (!waiting || !host || !decision) return;
    const { report, incarnation } = host;
    const chosen = { name, incarnation, slots: report.slots };
    const assigned = await this.#pending.assign(waiting.build, chosen, decision, fencingToken);
    switch (assigned.outcome) {
      case 'assigned': {
        this.#view.assigned(waiting.build, name);
        const attempt = assigned.build.attempts.length;
        await this.#queues.enqueue(name, { buildId: id, attempt });
        this.#log.info({ buildId: id, host: name, attempt, reason: decision.reason }, 'build assigned');
        return;
      }
      case 'not_queued':
        return this.#view.left(id);
      case 'no_slot':
      case 'host_unfit':
        // The view was behind; the event that tells so is on its way, and brings the next pass.
        return;
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

  async #explain(id: string, waiting: WaitingBuild | undefined): Promise<void> {
    const decision = this.#view.pool.explain(id, this.#view.now);
    if (!waiting || !decision) return;
    const words = wordsOf(decision);
    const before = this.#explained.get(id);
    this.#explained.delete(id);
    this.#explained.set(id, words);
    // One that is about to be given a host isn't said to wait.
    if (before === words || decision.host !== null) return;
    await this.#pending.explain(waiting.build, waiting.attempt, decision);
  }
}

/** What makes a decision another one: its times change with every look. */
function wordsOf({ host, reason, predicted, considered }: PlacementDecision): string {
  const start = predicted && Math.round(predicted.startAt / PREDICTION_STEP_MS);
  return JSON.stringify([host, reason, start, considered.map((one) => [one.host, one.verdict, one.usedSlots])]);
}
