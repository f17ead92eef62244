/** Spread of a repo's runs around a mean learned from them, as sigma of a lognormal. */
export const KNOWN_SPREAD = 0.35;
/** Spread around a mean that was only guessed from the pool's runs. */
export const GUESSED_SPREAD = 1;

/** A run that hasn't ended yet. */
export interface RunUnderWay {
  /** ms since the epoch. */
  readonly startedAt: number;
  /** How long it was expected to take when it began, ms. */
  readonly expectedMs: number;
  /** Spread around that, as sigma of a lognormal. */
  readonly spread: number;
}

/** Least rest that is ever expected. */
const LEAST_MS = 1_000;

/**
 * Returns how much longer a run with mean `meanMs` is expected to take after `elapsedMs`, in ms: the mean residual life of a lognormal.
 * The longer a run is overdue, the longer its expected rest.
 */
export function expectedRest(meanMs: number, elapsedMs: number, sigma: number): number {
  if (elapsedMs <= 0) return Math.max(LEAST_MS, meanMs);
  const z = (Math.log(elapsedMs / meanMs) + (sigma * sigma) / 2) / sigma;
  // Far out in the tail both probabilities vanish; their ratio approaches that of their leading terms.
  const whole = z > 4 ? elapsedMs * (1 + sigma / z) : (meanMs * upperTail(z - sigma)) / upperTail(z);
  return Math.max(LEAST_MS, whole - elapsedMs);
}

/** Returns the probability that a standard normal exceeds `z` (Abramowitz and Stegun 26.2.17; error below 1e-7). */
function upperTail(z: number): number {
  if (z < 0) return 1 - upperTail(-z);
  const t = 1 / (1 + 0.231_641_9 * z);
  const series =
    t * (0.319_381_53 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
  return Math.exp((-z * z) / 2) * 0.398_942_280_4 * series;
}
