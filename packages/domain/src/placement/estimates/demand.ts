import { DecayingSum } from './decaying-sum.ts';

/** The time and the time constants by which a repo's demand is estimated. */
export interface DemandClock {
  readonly now: number;
  /** How far ahead builds are expected. */
  readonly horizonMs: number;
  /** Time constant with which past builds are forgotten. */
  readonly memoryMs: number;
  /** How long builds have been counted. */
  readonly watchedMs: number;
}

/** How often a repo is built, as a decaying count of its past builds. */
export class Demand {
  readonly #builds = new DecayingSum();

  arrived(now: number, memoryMs: number): void {
    this.#builds.add(1, now, memoryMs);
  }

  /** Returns how many builds are expected within the horizon. Corrects for the time before counting began, when the memory wasn't full yet. */
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
