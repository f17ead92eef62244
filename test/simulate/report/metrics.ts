import type { BuildOutcome } from '../engine/simulate.ts';

/** The figures of one policy on one trace. Times in seconds. */
export interface Metrics {
  readonly builds: number;
  readonly warmShare: number;
  readonly staleShare: number;
  readonly coldShare: number;
  /** From submission to the end. */
  readonly meanFinish: number;
  readonly p50Finish: number;
  readonly p95Finish: number;
  /** From submission to the start of the attempt that finished. */
  readonly meanWait: number;
  readonly p95Wait: number;
  readonly longestWait: number;
  /** Share of the builds that waited longer than `STARVED_S`. */
  readonly starved: number;
  /** Ratio of the longest to the shortest mean wait of a team; 1 if there is only one. */
  readonly unfairness: number;
}

/** Waits longer than this count as starvation, s. */
export const STARVED_S = 1_800;

/** Returns the figures over the builds submitted from `measureFrom` on. */
export function metricsOf(all: readonly BuildOutcome[], measureFrom = 0): Metrics {
  const outcomes = all.filter(({ build }) => build.submitted >= measureFrom);
  const finish = outcomes.map(({ build, finishedAt }) => finishedAt - build.submitted).sort(ascending);
  const wait = outcomes.map(({ build, startedAt }) => startedAt - build.submitted).sort(ascending);
  const share = (cache: string) => outcomes.filter((outcome) => outcome.cache === cache).length / outcomes.length;
  return {
    builds: outcomes.length,
    warmShare: share('warm'),
    staleShare: share('stale'),
    coldShare: share('cold'),
    meanFinish: mean(finish),
    p50Finish: quantile(finish, 0.5),
    p95Finish: quantile(finish, 0.95),
    meanWait: mean(wait),
    p95Wait: quantile(wait, 0.95),
    longestWait: wait.at(-1) ?? 0,
    starved: wait.filter((seconds) => seconds > STARVED_S).length / outcomes.length,
    unfairness: unfairness(outcomes),
  };
}

/** Returns the longest mean wait of a team over the shortest, each plus a minute to avoid division by zero. */
function unfairness(outcomes: readonly BuildOutcome[]): number {
  const byTeam = Map.groupBy(outcomes, ({ build }) => build.team);
  const waits = [...byTeam.values()].map(
    (builds) => 60 + mean(builds.map(({ build, startedAt }) => startedAt - build.submitted)),
  );
  return Math.max(...waits) / Math.min(...waits);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** Returns the quantile by nearest rank; `sorted` must be ascending. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}

function ascending(a: number, b: number): number {
  return a - b;
}
