import type { AttemptCall } from '@kiln/contracts';
import { type AttemptRef, type DesiredState, persist } from '@kiln/state';
import { type RunAttemptDeps, runAttempt } from '../attempt/run-attempt.ts';
import { HandBack } from './hand-back.ts';
import { HeldAttempts } from './held-attempts.ts';
import { RecentOutcomes } from './recent-outcomes.ts';
import { RunningAttempts } from './running-attempts.ts';

export interface HostAttemptsDeps extends Omit<RunAttemptDeps, 'alone' | 'onOutcome'> {
  readonly host: string;
  readonly incarnation: string;
  /** Called when the pool should hear at once that an attempt has ended. */
  reportNow(): void;
}

/** The attempts of this host: runs those that jobs or the pool's answers call for, and stops or settles what it no longer wants. */
export class HostAttempts {
  readonly #deps: HostAttemptsDeps;
  readonly #running = new RunningAttempts();
  readonly #outcomes = new RecentOutcomes();
  readonly #handBack: HandBack;
  readonly #held: HeldAttempts;
  #desired: DesiredState | undefined;

  constructor(deps: HostAttemptsDeps) {
    this.#deps = deps;
    const { attempts, log } = deps;
    const ref = (call: AttemptCall) => this.#ref(call);
    this.#handBack = new HandBack(this.#running, attempts, ref, log);
    this.#held = new HeldAttempts({
      outcomeOf: (call) => this.#outcomes.of(call),
      running: this.#running,
      attempts,
      ref,
      run: (call) => this.#begin(call),
      log,
    });
  }

  get calls(): AttemptCall[] {
    return this.#running.calls;
  }

  /** Whether an attempt runs here, or the last answer assigned one to this host. */
  get isBusy(): boolean {
    return this.#running.size > 0 || (this.#desired?.attempts.length ?? 0) > 0;
  }

  /** Whether the last answer assigned attempts to this host, of which none runs here. */
  get isWaiting(): boolean {
    return this.#running.size === 0 && this.isBusy;
  }

  runs(buildId: string): boolean {
    return this.#running.runs(buildId);
  }

  /** Resolves when a running attempt has ended; never if none runs. */
  anyEnd(): Promise<void> {
    return this.#running.anyEnd();
  }

  /** Runs the attempt that a job calls for; resolves at its end. */
  async run(called: AttemptCall): Promise<void> {
    await this.#begin(called.nonce === undefined ? await this.#identified(called) : called);
  }

  /** Carries out the answer to a report that was sent at `sentAt` (performance.now()). */
  obey(state: DesiredState, sentAt: number): void {
    this.#desired = state;
    this.#running.reconcile(state.attempts, sentAt);
    this.#handBack.order(state);
    if (!this.#handBack.isDue) this.#held.order(state.attempts);
  }

  /** Hands everything back to the pool from now on. */
  handBack(): void {
    this.#handBack.begin();
  }

  endHandBack(): void {
    this.#handBack.end();
  }

  /** Stops every attempt, because another host may run it from now on. */
  fence(): void {
    this.#running.stopAll('fence');
  }

  async #begin(call: AttemptCall): Promise<void> {
    let stop: AbortSignal | undefined;
    await this.#handBack.run(call, (signal, alone) => {
      stop = signal;
      const onOutcome: RunAttemptDeps['onOutcome'] = (ref, outcome) => this.#outcomes.note(ref, outcome);
      return runAttempt({ ...this.#deps, onOutcome, alone }, this.#ref(call), signal);
    });
    // The pool is waiting for this host to be empty, or to stop an attempt that isn't its own any more.
    if (this.#desired?.drain || stop?.reason === 'fence') this.#deps.reportNow();
  }

  /** A scheduler of an older version calls for an attempt by its number only; the record contains its nonce. */
  async #identified({ buildId, attempt }: AttemptCall): Promise<AttemptCall> {
    const record = await persist(() => this.#deps.builds.record(buildId));
    const nonce = record?.attempts.find(({ number }) => number === attempt)?.nonce;
    return { buildId, attempt, ...(nonce !== undefined && { nonce }) };
  }

  #ref({ buildId, attempt, nonce }: AttemptCall): AttemptRef {
    const { host, incarnation } = this.#deps;
    return { buildId, attempt, host, incarnation, ...(nonce !== undefined && { nonce }) };
  }
}
