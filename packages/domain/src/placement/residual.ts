/** Spread of a repo's runs around a mean that was learned from them, as sigma of a lognormal. */
export const KNOWN_SPREAD = 0.35;
/** … around a mean that was only guessed from the pool's. */
export const GUESSED_SPREAD = 1;
/** Nothing ends at once. */
const LEAST_MS = 1_000;

/**
 * How long a run of `meanMs` that has gone on for `elapsedMs` is expected to go on, in ms: the mean of a lognormal beyond what it has
 * already outlasted. One that is long overdue is expected to be longer overdue.
 */
export function expectedRest(meanMs: number, elapsedMs: number, sigma: number): number {
  if (elapsedMs <= 0) return Math.max(LEAST_MS, meanMs);
  const z = (Math.log(elapsedMs / meanMs) + (sigma * sigma) / 2) / sigma;
  // Far out in the tail the quotient of the two probabilities is that of their leading terms.
  const whole = z > 4 ? elapsedMs * (1 + sigma / z) : (meanMs * upperTail(z - sigma)) / upperTail(z);
  return Math.max(LEAST_MS, whole - elapsedMs);
}

/** Probability that a standard normal exceeds `z` (Abramowitz and Stegun 26.2.17; error below 1e-7). */
function upperTail(z: number): number {
  if (z < 0) return 1 - upperTail(-z);
  const t = 1 / (1 + 0.231_641_9 * z);
  const series =
    t * (0.319_381_53 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
  return Math.exp((-z * z) / 2) * 0.398_942_280_4 * series;
}
