import { once } from 'node:events';
import type { AttemptCall } from '@kiln/contracts';
import type { DesiredState } from '@kiln/state';
import type { StopReason } from '../engine/executor.ts';

interface RunningAttempt {
  readonly call: AttemptCall;
  readonly controller: AbortController;
  /** performance.now() at the time of its registration: reports sent before can't know of it. */
  readonly since: number;
  readonly done: Promise<void>;
}

/** What tells an attempt from all others, also from one of the same number that Redis has lost. */
export function attemptKey({ buildId, attempt, nonce = '' }: AttemptCall): string {
  return `${buildId}:${attempt}:${nonce}`;
}

/**
 * @param alone to be called once the pool has confirmed that the attempt is the build's live one, and before anything of it runs: what this
 * host still runs of the build's other attempts the pool no longer knows. A call that comes late for an old one must stop nothing.
 */
export type AttemptRun = (signal: AbortSignal, alone: () => Promise<void>) => Promise<void>;

/** What this worker runs now, and the one place from which it is stopped. */
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

  /** Resolves when any of them has ended; never where there is none. */
  anyEnd(): Promise<void> {
    return Promise.race([...this.#running.values()].map(({ done }) => done));
  }

  /** Whether any attempt of the build runs. */
  runs(buildId: string): boolean {
    return this.#ofBuild(buildId).length > 0;
  }

  /** Runs it, unless it runs already; resolves at its end. */
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

  /** Stops the build's other attempts, and waits until they are over; or until this one is stopped itself. */
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

  /** Stops what was canceled, and what is no longer this worker's by the answer to a report sent at `sentAt` (performance.now()). */
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
