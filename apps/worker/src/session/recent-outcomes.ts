import type { AttemptCall } from '@kiln/contracts';
import type { Outcome } from '@kiln/domain';
import { attemptKey } from './running-attempts.ts';

/** How many outcomes are remembered. */
const MAX_OUTCOMES = 1_000;

/** The outcomes of the last attempts on this host. If Redis loses one, it is reported again, so that a pushed build isn't built and pushed twice. */
export class RecentOutcomes {
  readonly #outcomes = new Map<string, Outcome>();

  note(call: AttemptCall, outcome: Outcome): void {
    this.#outcomes.set(attemptKey(call), outcome);
    const [oldest] = this.#outcomes.keys();
    if (this.#outcomes.size > MAX_OUTCOMES && oldest !== undefined) this.#outcomes.delete(oldest);
  }

  of(call: AttemptCall): Outcome | undefined {
    return this.#outcomes.get(attemptKey(call));
  }
}
