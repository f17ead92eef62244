import { STALE_WARMTH as STALE } from '../model/warmth-for.ts';
import { type DurationTrack, learn, shiftBetween } from './duration-track.ts';

/** How long a repo's builds run at three points of warmth, and the size of its cache. A missing field was never observed. */
export interface RepoEstimate {
  readonly cold?: DurationTrack | undefined;
  /** At warmth one half: the cache is of older dependencies, or was partly evicted. */
  readonly stale?: DurationTrack | undefined;
  readonly warm?: DurationTrack | undefined;
  readonly bytes?: number | undefined;
}

/** Averages over the whole pool's builds, used for whatever isn't known of a repo. */
export interface PoolEstimate {
  readonly cold: number;
  readonly stale: number;
  readonly warm: number;
  /** Geometric means over the repos for which both are known. */
  readonly coldPerWarm: number;
  readonly stalePerWarm: number;
  readonly bytes: number;
  readonly samples: number;
}

/** The estimate before the first build: two minutes warm, eight minutes cold, and half a gigabyte of cache. */
export const FIRST_GUESS: PoolEstimate = {
  cold: 480_000,
  stale: 240_000,
  warm: 120_000,
  coldPerWarm: 4,
  stalePerWarm: 2,
  bytes: 500_000_000,
  samples: 0,
};

/** Expected runs in ms at warmth 0, ½ and 1, all of them known or guessed; a warmer run is never longer. */
export interface ExpectedRuns {
  readonly cold: number;
  readonly stale: number;
  readonly warm: number;
}

/** How near a sample must be to a point of warmth, at least, for the point to learn from it. */
const NEAR = 0.25;

export function expectedRuns(repo: RepoEstimate, pool: PoolEstimate): ExpectedRuns {
  const { coldPerWarm, stalePerWarm } = pool;
  const warm =
    repo.warm?.mean ??
    (repo.stale ? repo.stale.mean / stalePerWarm : repo.cold ? repo.cold.mean / coldPerWarm : pool.warm);
  const stale = Math.max(warm, repo.stale?.mean ?? between(repo, warm, pool));
  const cold = Math.max(stale, repo.cold?.mean ?? warm * coldPerWarm);
  return { cold, stale, warm };
}

/** Guesses a stale run from the repo's other runs, in the pool's proportions. */
function between(repo: RepoEstimate, warm: number, { coldPerWarm, stalePerWarm }: PoolEstimate): number {
  if (!repo.cold) return warm * stalePerWarm;
  const share = Math.min(1, (stalePerWarm - 1) / Math.max(0.01, coldPerWarm - 1));
  return warm + share * Math.max(0, repo.cold.mean - warm);
}

/** Returns the expected run in ms at `warmth`, interpolated linearly between the three points. */
export function runAt({ cold, stale, warm }: ExpectedRuns, warmth: number): number {
  if (warmth >= 1) return warm;
  if (warmth >= STALE) return stale + ((warmth - STALE) / (1 - STALE)) * (warm - stale);
  return warmth <= 0 ? cold : cold + (warmth / STALE) * (stale - cold);
}

/** Returns the estimate after a build that ran `runMs` at `warmth`. */
export function learnRun(repo: RepoEstimate, pool: PoolEstimate, warmth: number, runMs: number): RepoEstimate {
  const expected = expectedRuns(repo, pool);
  // A sample between two points teaches both: each learns the value by which the line would have met the sample.
  const ratio = runMs / Math.max(1, runAt(expected, warmth));
  const near = {
    cold: 1 - warmth / STALE,
    stale: 1 - Math.abs(warmth - STALE) / STALE,
    warm: (warmth - STALE) / STALE,
  };
  const next: { -readonly [K in keyof RepoEstimate]: RepoEstimate[K] } = { ...repo };
  let shift = 0;
  for (const point of ['cold', 'stale', 'warm'] as const) {
    if (near[point] < NEAR) continue;
    const track = learn(repo[point], near[point] > 1 - NEAR ? runMs : expected[point] * ratio);
    next[point] = track;
    shift = Math.max(shift, shiftBetween(repo[point], track));
  }
  // If the repo itself has changed, its other runs will have changed in proportion.
  if (shift > 0) {
    const factor = Math.exp(Math.log(ratio) * 0.3 * shift);
    for (const point of ['cold', 'stale', 'warm'] as const) {
      const track = next[point];
      if (track && near[point] < NEAR) next[point] = { ...track, mean: track.mean * factor };
    }
  }
  return next;
}

const POOL_WEIGHT = 0.02;

/** Returns the pool's estimate after the same build; `repo` is the repo's estimate after it. */
export function learnPool(pool: PoolEstimate, repo: RepoEstimate, warmth: number, runMs: number): PoolEstimate {
  const samples = pool.samples + 1;
  const weight = Math.max(POOL_WEIGHT, 1 / (samples + 3));
  const point = warmth >= 0.75 ? 'warm' : warmth >= 0.25 ? 'stale' : 'cold';
  const towards = (mean: number, sample: number) => mean + weight * (sample - mean);
  const ratio = (old: number, other: DurationTrack | undefined) =>
    other && repo.warm ? Math.exp(towards(Math.log(old), Math.log(Math.max(1, other.mean / repo.warm.mean)))) : old;
  const next = {
    ...pool,
    samples,
    [point]: towards(pool[point], runMs),
    coldPerWarm: ratio(pool.coldPerWarm, repo.cold),
    stalePerWarm: ratio(pool.stalePerWarm, repo.stale),
  };
  return repo.bytes === undefined ? next : { ...next, bytes: towards(pool.bytes, repo.bytes) };
}
