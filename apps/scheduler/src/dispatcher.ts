import { type PendingBuild, type PlacementDecision, place } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import type { AttemptQueues, PendingStore } from '@kiln/state';
import { NotLeader } from '@kiln/state';
import type { PoolView } from './pool-view.ts';

/** Carries out what placement decides, in the name of the leader with `fencingToken`. */
export class Dispatcher {
  readonly #view: PoolView;
  readonly #pending: PendingStore;
  readonly #queues: AttemptQueues;
  readonly #log: Logger;
  /** Last decision written for a waiting build, so that an unchanged one isn't written again. */
  readonly #explained = new Map<string, string>();

  constructor(view: PoolView, pending: PendingStore, queues: AttemptQueues, log: Logger) {
    this.#view = view;
    this.#pending = pending;
    this.#queues = queues;
    this.#log = log;
  }

  /**
   * One pass over all that waits, at `now` (ms since the epoch).
   * @throws NotLeader
   */
  async dispatch(now: number, fencingToken: number): Promise<void> {
    if (this.#view.pending.size === 0) return;
    const snapshot = { pending: [...this.#view.pending.values()], hosts: this.#view.hostViews() };
    const decisions = place(snapshot, now);
    await Promise.all(decisions.map((decision) => this.#carryOut(decision, fencingToken)));
    for (const id of this.#explained.keys()) if (!this.#view.pending.has(id)) this.#explained.delete(id);
  }

  async #carryOut(decision: PlacementDecision, fencingToken: number): Promise<void> {
    const build = this.#view.pending.get(decision.build);
    if (!build) return;
    const host = decision.host === null ? undefined : this.#view.hosts.get(decision.host);
    if (!host) return this.#explain(build, decision);
    const { report, incarnation } = host;
    const chosen = { name: report.name, incarnation, slots: report.slots };
    const assigned = await this.#pending.assign(build, chosen, decision, fencingToken);
    switch (assigned.outcome) {
      case 'assigned': {
        this.#explained.delete(build.id);
        this.#view.pending.delete(build.id);
        const attempt = assigned.build.attempts.length;
        await this.#queues.enqueue(report.name, { buildId: build.id, attempt });
        this.#log.info({ buildId: build.id, host: report.name, attempt }, 'build assigned');
        return;
      }
      case 'not_queued':
        this.#view.pending.delete(build.id);
        return;
      case 'no_slot':
      case 'host_unfit':
        // The view was behind; the event that tells so is on its way, and brings the next pass.
        return;
      case 'not_leader':
        throw new NotLeader();
    }
  }

  async #explain(build: PendingBuild, decision: PlacementDecision): Promise<void> {
    const { decidedAt: _, ...said } = decision;
    const words = JSON.stringify(said);
    if (this.#explained.get(build.id) === words) return;
    this.#explained.set(build.id, words);
    await this.#pending.explain(build, build.lostOn.length + 1, decision);
  }
}
