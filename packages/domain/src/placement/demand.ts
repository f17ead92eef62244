import { DecayingSum } from './decaying-sum.ts';

/** What is needed to tell how many builds of a repo can be expected. */
export interface DemandClock {
  readonly now: number;
  /** How far is looked ahead. */
  readonly horizonMs: number;
  /** How fast past builds are forgotten. */
  readonly memoryMs: number;
  /** How long the pool has been watched. */
  readonly watchedMs: number;
}

/** How often a repo is built, as a count of its past builds that fades. */
export class Demand {
  readonly #builds = new DecayingSum();

  arrived(now: number, memoryMs: number): void {
    this.#builds.add(1, now, memoryMs);
  }

  /** Builds that can be expected within the horizon. A memory that is longer than the pool was watched is filled only in part. */
  expected({ now, horizonMs, memoryMs, watchedMs }: DemandClock): number {
    const filled = 1 - Math.exp(-watchedMs / memoryMs);
    return (this.#builds.at(now, memoryMs) / filled) * (horizonMs / memoryMs);
  }

  get state(): { readonly value: number; readonly at: number } {
    return this.#builds.state;
  }

  restore(state: { readonly value: number; readonly at: number }): void {
    this.#builds.restore(state);
  }
}
