import type { LogName } from '@kiln/state';

interface Failure {
  readonly waitMs: number;
  readonly retryAt: number;
}

/** Postpones work on logs that failed. Each further failure doubles the wait, from `first` up to `most` ms. */
export class LogBackoff {
  readonly #waits: { readonly first: number; readonly most: number };
  readonly #now: () => number;
  readonly #failures = new Map<string, Failure>();

  constructor(waits: { readonly first: number; readonly most: number }, now: () => number) {
    this.#waits = waits;
    this.#now = now;
  }

  isDue(log: LogName): boolean {
    return this.#now() >= (this.#failures.get(keyOf(log))?.retryAt ?? 0);
  }

  /** Postpones the log; returns for how long, ms. */
  failed(log: LogName): number {
    const before = this.#failures.get(keyOf(log));
    const waitMs = before ? Math.min(this.#waits.most, 2 * before.waitMs) : this.#waits.first;
    this.#failures.set(keyOf(log), { waitMs, retryAt: this.#now() + waitMs });
    return waitMs;
  }

  succeeded(log: LogName): void {
    this.#failures.delete(keyOf(log));
  }
}

function keyOf({ buildId, attempt }: LogName): string {
  return `${buildId}:${attempt}`;
}
