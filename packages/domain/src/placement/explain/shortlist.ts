import type { HeldHost } from '../pass/held-hosts.ts';
import type { PoolHost } from '../pool/pool-host.ts';

/** A host with its cost for the build; the details are computed only for those listed. Times in ms. */
export interface Weighed {
  readonly host: PoolHost;
  readonly startAt: number;
  readonly runMs: number;
  readonly warmth: number;
  readonly cost: number;
  /** Whether it is what the build was given or waits for. */
  readonly isChoice: boolean;
  /** Absent for a cold run. */
  readonly held?: HeldHost;
}

/** The hosts to list: the choice first, then by cost, each host once; of equals the one added first. */
export class Shortlist {
  readonly #size: number;
  readonly #best: Weighed[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** In the order of the list. */
  get hosts(): readonly Weighed[] {
    return this.#best;
  }

  /** Returns whether `add` could list a host of this cost. Most hosts of a large pool are turned away here, before anything is allocated. */
  admits(cost: number, isChoice: boolean): boolean {
    if (this.#best.length < this.#size) return true;
    const last = this.#best.at(-1);
    return last !== undefined && comesBefore(cost, isChoice, last);
  }

  add(one: Weighed): void {
    const known = this.#best.findIndex(({ host }) => host === one.host);
    if (known >= 0) {
      if (!comesBefore(one.cost, one.isChoice, this.#best[known] as Weighed)) return;
      this.#best.splice(known, 1);
    }
    let at = this.#best.length;
    while (at > 0 && comesBefore(one.cost, one.isChoice, this.#best[at - 1] as Weighed)) at--;
    this.#best.splice(at, 0, one);
    if (this.#best.length > this.#size) this.#best.pop();
  }
}

function comesBefore(cost: number, isChoice: boolean, other: Weighed): boolean {
  return isChoice === other.isChoice ? cost < other.cost : isChoice;
}
