/** The learned estimate of one duration: a mean that follows the samples, and how far off it was. In ms. */
export interface DurationTrack {
  readonly mean: number;
  readonly samples: number;
  /** Smoothed signed and absolute deviations. If their ratio is near 1, the mean lags behind a change. */
  readonly drift: number;
  readonly spread: number;
}

/** Least weight of a new sample, so that old builds are forgotten. */
const MIN_WEIGHT = 0.1;
/** Greatest weight of a sample after the first few, however much the durations seem to have changed. */
const MAX_WEIGHT = 0.5;
const LEAST_MS = 1;
const ERROR_WEIGHT = 0.25;
/** Ratio of signed to absolute deviation below which deviations are taken for noise. */
const SIGNAL = 0.6;

/**
 * Returns the track after another sample. The mean is exponentially weighted; a sample's weight grows while samples lie on one side of
 * the mean (the tracking signal of Trigg and Leach), so that a change in the repo is followed within a few builds.
 */
export function learn(track: DurationTrack | undefined, sampleMs: number): DurationTrack {
  // Means are divided by each other, so none may be 0.
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
 * Returns how surely the durations have changed: 0 if the deviations look like noise, up to 1 if all recent ones have the same sign. It
 * takes the lesser of the values before and after a sample, so that a single outlier doesn't count as a change.
 */
export function shiftBetween(before: DurationTrack | undefined, after: DurationTrack): number {
  return before ? Math.min(shiftOf(before), shiftOf(after)) : 0;
}

function shiftOf({ drift, spread, samples }: DurationTrack): number {
  if (samples < 5 || spread <= 0) return 0;
  const signal = Math.abs(drift) / spread;
  return signal <= SIGNAL ? 0 : (signal - SIGNAL) / (1 - SIGNAL);
}
