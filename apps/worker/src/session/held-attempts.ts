import type { AttemptCall } from '@kiln/contracts';
import type { Outcome } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import { type AttemptRef, type AttemptStore, type HeldAttempt, StaleAttempt } from '@kiln/state';
import { attemptKey, type RunningAttempts } from './running-attempts.ts';

export interface HeldAttemptsDeps {
  readonly running: RunningAttempts;
  readonly attempts: Pick<AttemptStore, 'settle'>;
  ref(held: HeldAttempt): AttemptRef;
  /** The attempt's outcome on this host, if it is remembered. Redis may have lost it. */
  outcomeOf(call: AttemptCall): Outcome | undefined;
  /** Runs the attempt, as its job would. */
  run(call: AttemptCall): Promise<void>;
  readonly log: Logger;
}

/** For an attempt that has begun and no longer runs, but whose outcome is unknown. */
const ORPHANED: Outcome = {
  end: 'failed',
  failure: { code: 'infrastructure', message: 'the host no longer ran the build and does not know how it ended' },
};
const CANCELED: Outcome = {
  end: 'canceled',
  failure: { code: 'canceled', message: 'canceled; the host was no longer running it' },
};

/**
 * Handles attempts that the pool assigns to this host but that don't run here. The answer to a report is authoritative, and a job only a
 * faster notice: an attempt that hasn't begun is begun now, even if its job was lost; one that has begun is settled, which frees its slot.
 */
export class HeldAttempts {
  readonly #deps: HeldAttemptsDeps;
  readonly #settling = new Set<string>();

  constructor(deps: HeldAttemptsDeps) {
    this.#deps = deps;
  }

  /** Begins or settles the assigned attempts that don't run here. */
  order(attempts: readonly HeldAttempt[]): void {
    for (const held of attempts) {
      if (this.#deps.running.has(attemptKey(held))) continue;
      if (held.begun) void this.#settle(held);
      else void this.#deps.run(held);
    }
  }

  /**
   * Settles an attempt that has begun and doesn't run here. A running attempt is registered from before its record says that it has begun
   * until after it says how it ended. So one that has begun and isn't registered runs nowhere. If it has been settled since the answer was
   * written, this changes nothing.
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
      log.warn({ buildId: held.buildId, attempt: held.attempt, end }, 'settled an attempt that was no longer running');
    } catch (error) {
      // The next report tries again.
      if (!(error instanceof StaleAttempt))
        log.warn({ err: error, buildId: held.buildId }, 'settling an attempt failed');
    } finally {
      this.#settling.delete(key);
    }
  }
}
