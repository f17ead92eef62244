import { DecayingSum } from './decaying-sum.ts';

/** The slot time each team used lately, in slot-ms. It decays, so that a team isn't charged for old use for long. */
export class TeamShares {
  readonly #served = new Map<string, DecayingSum>();
  readonly #memoryMs: number;

  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  /** Charges a team for the slot time its build is expected to use. The correction when the build ends may be negative. */
  charge(team: string, slotMs: number, now: number): void {
    let sum = this.#served.get(team);
    if (!sum) {
      sum = new DecayingSum();
      this.#served.set(team, sum);
    }
    sum.add(slotMs, now, this.#memoryMs);
  }

  served(team: string, now: number): number {
    return this.#served.get(team)?.at(now, this.#memoryMs) ?? 0;
  }
}
