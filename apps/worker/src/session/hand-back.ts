import type { AttemptCall } from '@kiln/contracts';
import type { Logger } from '@kiln/runtime';
import { type AttemptRef, type AttemptStore, type DesiredState, type HeldAttempt, StaleAttempt } from '@kiln/state';
import { HANDED_BACK } from '../attempt/run-attempt.ts';
import { type AttemptRun, attemptKey, type RunningAttempts } from './running-attempts.ts';

/** Empties the host at a drain's deadline: what runs is stopped, what hasn't begun goes back as it is. */
export class HandBack {
  readonly #running: RunningAttempts;
  readonly #attempts: Pick<AttemptStore, 'settle'>;
  readonly #ref: (held: HeldAttempt) => AttemptRef;
  readonly #log: Logger;
  /** Handed back before their jobs came: these must not begin any more. */
  readonly #unbegun = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #due = false;
  /** By this worker's own end, which no order of an operator's takes back. */
  #forGood = false;
  #held: readonly HeldAttempt[] = [];

  constructor(
    running: RunningAttempts,
    attempts: Pick<AttemptStore, 'settle'>,
    ref: (held: HeldAttempt) => AttemptRef,
    log: Logger,
  ) {
    this.#running = running;
    this.#attempts = attempts;
    this.#ref = ref;
    this.#log = log;
  }

  /** Runs an attempt, unless it is being handed back; past the deadline it is told to stop before it begins. */
  async run(call: AttemptCall, run: AttemptRun): Promise<void> {
    if (this.#unbegun.has(attemptKey(call))) return;
    await this.#running.run(call, run, this.#due ? 'drain' : undefined);
  }

  /** Whether the host gives back what it holds: what it doesn't run it settles by itself. */
  get isDue(): boolean {
    return this.#due;
  }

  /** Takes in what the answer to a report says of a drain. */
  order({ drain, attempts }: DesiredState): void {
    this.#held = attempts;
    clearTimeout(this.#timer);
    const inMs = drain?.handBackInMs;
    this.#due = this.#forGood || inMs === 0;
    if (this.#due) this.#giveBack();
    else if (inMs !== undefined) this.#timer = setTimeout(() => this.#begin(), inMs);
  }

  /** The worker ends, and can't wait any longer. */
  begin(): void {
    this.#forGood = true;
    this.#begin();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #begin(): void {
    this.#due = true;
    this.#giveBack();
  }

  #giveBack(): void {
    this.#running.stopAll('drain');
    for (const held of this.#held) {
      if (!this.#running.has(attemptKey(held))) void this.#settle(held);
    }
  }

  /** Without a run of its own, so that nothing of it can be under way. Repeated with each report until the pool knows. */
  async #settle(held: HeldAttempt): Promise<void> {
    const key = attemptKey(held);
    this.#unbegun.add(key);
    try {
      await this.#attempts.settle(this.#ref(held), held.cancel ? CANCELED : HANDED_BACK);
      this.#log.info({ buildId: held.buildId, attempt: held.attempt }, 'attempt handed back before it began');
    } catch (error) {
      if (!(error instanceof StaleAttempt)) {
        this.#log.warn({ err: error, buildId: held.buildId }, 'hand-back failed');
        return;
      }
    }
    // From here on the record itself refuses its start.
    this.#unbegun.delete(key);
  }
}

const CANCELED = { end: 'canceled', failure: { code: 'canceled', message: 'canceled before it ran' } } as const;
