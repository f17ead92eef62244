import { DecayingSum } from './decaying-sum.ts';

/** What each team was served lately, in slot-ms; a memory that fades, so that an old debt isn't held against anybody. */
export class TeamShares {
  readonly #served = new Map<string, DecayingSum>();
  readonly #memoryMs: number;

  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  /** Charges a team when it is given slots, by what it is expected to use; a later correction may be negative. */
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
