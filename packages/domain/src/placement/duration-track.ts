/** What was learned of one duration: a mean that follows the samples, and how far it was off. In ms. */
export interface DurationTrack {
  readonly mean: number;
  readonly samples: number;
  /** Signed and absolute deviation, smoothed: their quotient near 1 says that the mean lags behind a change. */
  readonly drift: number;
  readonly spread: number;
}

/** A new sample never weighs less, so that old builds are forgotten. */
const MIN_WEIGHT = 0.1;
/** … and never more, after the first few, however much the durations seem to have changed. */
const MAX_WEIGHT = 0.5;
const LEAST_MS = 1;
const ERROR_WEIGHT = 0.25;
/** Below this, deviations are taken for noise. */
const SIGNAL = 0.6;

/**
 * The track after another sample. Exponentially weighted; the weight grows while the samples lie on one side of the mean
 * (Trigg and Leach's tracking signal), so that a changed repo is known after a few builds.
 */
export function learn(track: DurationTrack | undefined, sampleMs: number): DurationTrack {
  // Means are divided by each other: none may be 0.
  const sample = Math.max(LEAST_MS, sampleMs);
  if (!track) return { mean: sample, samples: 1, drift: 0, spread: 0 };
  const deviation = sample - track.mean;
  const drift = track.drift + ERROR_WEIGHT * (deviation - track.drift);
  const spread = track.spread + ERROR_WEIGHT * (Math.abs(deviation) - track.spread);
  const next = { mean: track.mean, samples: track.samples + 1, drift, spread };
  const usual = Math.max(MIN_WEIGHT, 1 / next.samples);
  const weight = Math.max(usual, Math.min(MAX_WEIGHT, shiftBetween(track, next)));
  return { ...next, mean: track.mean + weight * deviation };
}

/**
 * 0 where the deviations look like noise, up to 1 where all of the last ones went one way: as it was `before` a sample as well as after
 * it, so that a single odd build is none.
 */
export function shiftBetween(before: DurationTrack | undefined, after: DurationTrack): number {
  return before ? Math.min(shiftOf(before), shiftOf(after)) : 0;
}

function shiftOf({ drift, spread, samples }: DurationTrack): number {
  if (samples < 5 || spread <= 0) return 0;
  const signal = Math.abs(drift) / spread;
  return signal <= SIGNAL ? 0 : (signal - SIGNAL) / (1 - SIGNAL);
}
