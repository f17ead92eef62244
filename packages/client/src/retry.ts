import { isPassing } from './answer.ts';
import { KilnProblem, KilnUnreachable } from './errors.ts';

/** What a client takes from outside, so that tests hold time and chance in their hands. */
export interface Ambience {
  /** Resolves after `ms`; rejects with the signal's reason when that aborts first. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** Milliseconds, from any fixed point. */
  readonly now: () => number;
}

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 10_000;

/** Exponential backoff with equal jitter: half of the delay is certain, half by chance, so that many clients don't come back at once. */
export function backoffMs(failures: number, random: () => number, firstMs = FIRST_DELAY_MS): number {
  const full = Math.min(MAX_DELAY_MS, firstMs * 2 ** Math.min(failures - 1, 16));
  return full / 2 + (full / 2) * random();
}

/** Whether the same request may succeed a little later. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof KilnProblem)) return error instanceof KilnUnreachable;
  // A queue that is full stays so until builds have run: whoever asked decides whether to wait for that.
  return isPassing(error.problem.status) && error.problem.code !== 'queue_full';
}

export interface RetryOptions {
  /** How long to go on trying, ms from the first try. 0 tries once. */
  readonly giveUpAfterMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called before each wait, to tell somebody. */
  readonly onRetry?: ((error: unknown, delayMs: number) => void) | undefined;
}

/** Runs `call` until it succeeds, fails for good, or `giveUpAfterMs` has passed; then throws what the last try threw. */
export async function withRetry<T>(
  ambience: Ambience,
  { giveUpAfterMs, signal, onRetry }: RetryOptions,
  call: () => Promise<T>,
): Promise<T> {
  const startedAt = ambience.now();
  for (let failures = 1; ; failures += 1) {
    try {
      return await call();
    } catch (error) {
      const asked = error instanceof KilnProblem ? error.retryAfterMs : undefined;
      const delayMs = Math.max(backoffMs(failures, ambience.random), asked ?? 0);
      if (!isTransient(error) || ambience.now() - startedAt + delayMs > giveUpAfterMs) throw error;
      onRetry?.(error, delayMs);
      await ambience.sleep(delayMs, signal);
    }
  }
}
