import type { AttemptCall } from '@kiln/contracts';
import type { Logger } from '@kiln/runtime';
import { type AttemptRef, type AttemptStore, type DesiredState, type HeldAttempt, StaleAttempt } from '@kiln/state';
import { HANDED_BACK } from '../attempt/run-attempt.ts';
import { type AttemptRun, attemptKey, type RunningAttempts } from './running-attempts.ts';

/** Empties the host at a drain's deadline: stops running attempts, and hands back those that haven't begun. */
export class HandBack {
  readonly #running: RunningAttempts;
  readonly #attempts: Pick<AttemptStore, 'settle'>;
  readonly #ref: (held: HeldAttempt) => AttemptRef;
  readonly #log: Logger;
  /** Attempts handed back before their jobs arrived: they must not begin any more. */
  readonly #unbegun = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #due = false;
  /** Whether the worker itself is leaving, which an operator can't revoke. */
  #isFinal = false;
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

  /** Runs an attempt, unless it is being handed back. After the deadline it starts with an aborted signal. */
  async run(call: AttemptCall, run: AttemptRun): Promise<void> {
    if (this.#unbegun.has(attemptKey(call))) return;
    await this.#running.run(call, run, this.#due ? 'drain' : undefined);
  }

  /** Whether the host is handing everything back; it then settles assigned attempts that don't run here. */
  get isDue(): boolean {
    return this.#due;
  }

  /** Carries out the drain, if any, in the answer to a report. */
  order({ drain, attempts }: DesiredState): void {
    this.#held = attempts;
    clearTimeout(this.#timer);
    const inMs = drain?.handBackInMs;
    this.#due = this.#isFinal || inMs === 0;
    if (this.#due) this.#handBackAll();
    else if (inMs !== undefined) this.#timer = setTimeout(() => this.#begin(), inMs);
  }

  /** Hands everything back now, because the worker is leaving and can't wait any longer. */
  begin(): void {
    this.#isFinal = true;
    this.#begin();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #begin(): void {
    this.#due = true;
    this.#handBackAll();
  }

  #handBackAll(): void {
    this.#running.stopAll('drain');
    for (const held of this.#held) {
      if (!this.#running.has(attemptKey(held))) void this.#settle(held);
    }
  }

  /** Settles an attempt that hasn't begun here. Repeated with each report until the pool has accepted it. */
  async #settle(held: HeldAttempt): Promise<void> {
    const key = attemptKey(held);
    this.#unbegun.add(key);
    try {
      await this.#attempts.settle(this.#ref(held), held.cancel ? CANCELED : HANDED_BACK);
      this.#log.info({ buildId: held.buildId, attempt: held.attempt }, 'attempt handed back before it began');
    } catch (error) {
      if (!(error instanceof StaleAttempt)) {
        this.#log.warn({ err: error, buildId: held.buildId }, 'handing an attempt back failed');
        return;
      }
    }
    // From now on the record itself refuses to start it.
    this.#unbegun.delete(key);
  }
}

const CANCELED = { end: 'canceled', failure: { code: 'canceled', message: 'canceled before it ran' } } as const;
