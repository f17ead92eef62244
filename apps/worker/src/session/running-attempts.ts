import { once } from 'node:events';
import type { AttemptCall } from '@kiln/contracts';
import type { DesiredState } from '@kiln/state';
import type { StopReason } from '../engine/executor.ts';

interface RunningAttempt {
  readonly call: AttemptCall;
  readonly controller: AbortController;
  /** performance.now() at its registration. The pool's answers to earlier reports may not contain it. */
  readonly since: number;
  readonly done: Promise<void>;
}

/** Identifies an attempt. The nonce distinguishes it from one with the same number whose assignment Redis has lost. */
export function attemptKey({ buildId, attempt, nonce = '' }: AttemptCall): string {
  return `${buildId}:${attempt}:${nonce}`;
}

/**
 * @param alone stops the build's other attempts on this host, which the pool no longer knows. Call it after the pool has confirmed that this
 * attempt is the live one, so that a late call for an old attempt stops nothing, and before anything of the attempt runs.
 */
export type AttemptRun = (signal: AbortSignal, alone: () => Promise<void>) => Promise<void>;

/** The attempts that this worker is running, and the only place from which they are stopped. */
export class RunningAttempts {
  readonly #running = new Map<string, RunningAttempt>();

  get size(): number {
    return this.#running.size;
  }

  get calls(): AttemptCall[] {
    return [...this.#running.values()].map(({ call }) => call);
  }

  has(key: string): boolean {
    return this.#running.has(key);
  }

  /** Resolves when any of them has ended; never if there is none. */
  anyEnd(): Promise<void> {
    return Promise.race([...this.#running.values()].map(({ done }) => done));
  }

  /** Whether any attempt of the build runs. */
  runs(buildId: string): boolean {
    return this.#ofBuild(buildId).length > 0;
  }

  /** Runs the attempt, unless it is already running; resolves when it has ended. */
  run(call: AttemptCall, run: AttemptRun, stopAtOnce?: StopReason): Promise<void> {
    const key = attemptKey(call);
    const known = this.#running.get(key);
    if (known) return known.done;
    const controller = new AbortController();
    if (stopAtOnce !== undefined) controller.abort(stopAtOnce);
    const done = run(controller.signal, () => this.#alone(key, call.buildId, controller.signal)).finally(() =>
      this.#running.delete(key),
    );
    this.#running.set(key, { call, controller, since: performance.now(), done });
    return done;
  }

  /** Stops the build's other attempts and waits until they have ended, or until this one is stopped itself. */
  async #alone(key: string, buildId: string, signal: AbortSignal): Promise<void> {
    const own = this.#running.get(key);
    const others = this.#ofBuild(buildId).filter((other) => other !== own);
    if (others.length === 0 || signal.aborted) return;
    for (const other of others) other.controller.abort('fence' satisfies StopReason);
    const stopped = once(signal, 'abort');
    await Promise.race([Promise.allSettled(others.map(({ done }) => done)), stopped]);
  }

  #ofBuild(buildId: string): RunningAttempt[] {
    return [...this.#running.values()].filter(({ call }) => call.buildId === buildId);
  }

  /**
   * Stops the attempts that were canceled, and those that the answer to a report no longer assigns to this worker.
   * @param sentAt when that report was sent (performance.now())
   */
  reconcile(attempts: DesiredState['attempts'], sentAt: number): void {
    const mine = new Map(attempts.map((held) => [attemptKey(held), held]));
    for (const [key, { controller, since }] of this.#running) {
      const held = mine.get(key);
      if (held?.cancel) controller.abort('cancel' satisfies StopReason);
      else if (!held && since < sentAt) controller.abort('fence' satisfies StopReason);
    }
  }

  stopAll(reason: StopReason): void {
    for (const { controller } of this.#running.values()) controller.abort(reason);
  }
}
