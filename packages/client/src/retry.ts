import { isPassing } from './answer.ts';
import { KilnProblem, KilnUnreachable } from './errors.ts';

/** Time and randomness, so that tests can control them. */
export interface ClientDeps {
  /** Resolves after `ms`; rejects with the signal's reason when that aborts first. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Returns a number x with 0 ≤ x < 1. */
  readonly random: () => number;
  /** Returns milliseconds since any fixed point. */
  readonly now: () => number;
}

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 10_000;

/** Exponential backoff with equal jitter: half of the delay is fixed and half random, so that many clients don't return at once. */
export function backoffMs(failures: number, random: () => number, firstMs = FIRST_DELAY_MS): number {
  const full = Math.min(MAX_DELAY_MS, firstMs * 2 ** Math.min(failures - 1, 16));
  return full / 2 + (full / 2) * random();
}

/** Whether the same request may succeed a little later. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof KilnProblem)) return error instanceof KilnUnreachable;
  // A full queue stays full until builds have run, so the caller decides whether to wait.
  return isPassing(error.problem.status) && error.problem.code !== 'queue_full';
}

export interface RetryOptions {
  /** How long to retry, in ms from the first try. 0 tries once. */
  readonly giveUpAfterMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called before each wait. */
  readonly onRetry?: ((error: unknown, delayMs: number) => void) | undefined;
}

/** Runs `call` until it succeeds, fails permanently, or `giveUpAfterMs` has passed; then throws what the last try threw. */
export async function withRetry<T>(
  deps: ClientDeps,
  { giveUpAfterMs, signal, onRetry }: RetryOptions,
  call: () => Promise<T>,
): Promise<T> {
  const startedAt = deps.now();
  for (let failures = 1; ; failures += 1) {
    try {
      return await call();
    } catch (error) {
      const asked = error instanceof KilnProblem ? error.retryAfterMs : undefined;
      const delayMs = Math.max(backoffMs(failures, deps.random), asked ?? 0);
      if (!isTransient(error) || deps.now() - startedAt + delayMs > giveUpAfterMs) throw error;
      onRetry?.(error, delayMs);
      await deps.sleep(delayMs, signal);
    }
  }
}
