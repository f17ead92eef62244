import type { AttemptCall } from '@kiln/contracts';
import type { DesiredState } from '@kiln/state';
import type { StopReason } from './executor.ts';

interface RunningAttempt {
  readonly buildId: string;
  readonly controller: AbortController;
  /** performance.now() at the time of its registration: reports sent before can't know of it. */
  readonly since: number;
  readonly done: Promise<void>;
}

/** What tells an attempt from all others, also from one of the same number that Redis has lost. */
export function attemptKey({ buildId, attempt, nonce = '' }: AttemptCall): string {
  return `${buildId}:${attempt}:${nonce}`;
}

/** What this worker runs now, and the one place from which it is stopped. */
export class RunningAttempts {
  readonly #running = new Map<string, RunningAttempt>();

  get size(): number {
    return this.#running.size;
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

  /**
   * Runs it, unless it runs already; resolves at its end. Other attempts of the build are stopped first, and waited for: the pool
   * no longer knows them.
   */
  run(call: AttemptCall, run: (signal: AbortSignal) => Promise<void>, stopAtOnce?: StopReason): Promise<void> {
    const key = attemptKey(call);
    const known = this.#running.get(key);
    if (known) return known.done;
    const controller = new AbortController();
    if (stopAtOnce !== undefined) controller.abort(stopAtOnce);
    const others = this.#ofBuild(call.buildId);
    for (const other of others) other.controller.abort('fence' satisfies StopReason);
    const ended = others.length > 0 ? Promise.allSettled(others.map((other) => other.done)) : undefined;
    const done = (ended ? ended.then(() => run(controller.signal)) : run(controller.signal)).finally(() =>
      this.#running.delete(key),
    );
    this.#running.set(key, { buildId: call.buildId, controller, since: performance.now(), done });
    return done;
  }

  #ofBuild(buildId: string): RunningAttempt[] {
    return [...this.#running.values()].filter((attempt) => attempt.buildId === buildId);
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
