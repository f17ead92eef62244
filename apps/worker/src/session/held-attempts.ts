import type { AttemptCall } from '@kiln/contracts';
import type { Outcome } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import { type AttemptRef, type AttemptStore, type HeldAttempt, StaleAttempt } from '@kiln/state';
import { attemptKey, type RunningAttempts } from './running-attempts.ts';

export interface HeldAttemptsDeps {
  readonly running: RunningAttempts;
  readonly attempts: Pick<AttemptStore, 'settle'>;
  ref(held: HeldAttempt): AttemptRef;
  /** How an attempt ended here, where that is remembered: Redis may have lost it. */
  outcomeOf(call: AttemptCall): Outcome | undefined;
  /** Runs it, as its job would. */
  run(call: AttemptCall): Promise<void>;
  readonly log: Logger;
}

/** What has begun and is over has an end to be told; nobody knows which any more. */
const ORPHANED: Outcome = {
  end: 'failed',
  failure: { code: 'infrastructure', message: 'the host no longer ran the build, and could not tell how it ended' },
};
const CANCELED: Outcome = {
  end: 'canceled',
  failure: { code: 'canceled', message: 'canceled; the host no longer ran it' },
};

/**
 * Sees to attempts that the pool counts as this host's and that don't run here. The answer to a report is the truth, a job only a faster
 * call: what hasn't begun is begun now, whatever became of its job; what has begun is settled, so that its slot is free.
 */
export class HeldAttempts {
  readonly #deps: HeldAttemptsDeps;
  readonly #settling = new Set<string>();

  constructor(deps: HeldAttemptsDeps) {
    this.#deps = deps;
  }

  /** Takes in what the answer to a report says of attempts. */
  order(attempts: readonly HeldAttempt[]): void {
    for (const held of attempts) {
      if (this.#deps.running.has(attemptKey(held))) continue;
      if (held.begun) void this.#settle(held);
      else void this.#deps.run(held);
    }
  }

  /**
   * An attempt is registered here from before its record says that it has begun until after it says how it ended. So one that has begun by
   * the record and isn't registered runs nowhere; where it has been settled since the answer was written, this changes nothing.
   */
  async #settle(held: HeldAttempt): Promise<void> {
    const { attempts, ref, log } = this.#deps;
    const key = attemptKey(held);
    if (this.#settling.has(key)) return;
    this.#settling.add(key);
    try {
      const { attempts: ended } = await attempts.settle(
        ref(held),
        this.#deps.outcomeOf(held) ?? (held.cancel ? CANCELED : ORPHANED),
      );
      const end = ended.find(({ number }) => number === held.attempt)?.end;
      log.warn({ buildId: held.buildId, attempt: held.attempt, end }, 'attempt that nothing runs is settled');
    } catch (error) {
      // With the next report it is tried again.
      if (!(error instanceof StaleAttempt)) log.warn({ err: error, buildId: held.buildId }, 'attempt not settled');
    } finally {
      this.#settling.delete(key);
    }
  }
}
