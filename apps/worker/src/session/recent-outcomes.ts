import type { AttemptCall } from '@kiln/contracts';
import type { Outcome } from '@kiln/domain';
import { attemptKey } from './running-attempts.ts';

/** Of so many attempts the end is remembered. */
const KEPT = 1_000;

/** How the last attempts ended here, for a pool whose Redis has lost that: what was pushed isn't to be built and pushed again. */
export class RecentOutcomes {
  readonly #outcomes = new Map<string, Outcome>();

  note(call: AttemptCall, outcome: Outcome): void {
    this.#outcomes.set(attemptKey(call), outcome);
    const [oldest] = this.#outcomes.keys();
    if (this.#outcomes.size > KEPT && oldest !== undefined) this.#outcomes.delete(oldest);
  }

  of(call: AttemptCall): Outcome | undefined {
    return this.#outcomes.get(attemptKey(call));
  }
}
