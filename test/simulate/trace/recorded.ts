import {
  expectedRuns,
  FIRST_GUESS,
  learnPool,
  learnRun,
  type PoolEstimate,
  type RepoEstimate,
  runAt,
} from '@kiln/domain';
import type { TraceBuild } from './trace.ts';

/** A build with one run at one warmth, as a pool recorded it, or with all three runs, as in a made trace. */
export type RecordedBuild = Omit<TraceBuild, 'run'> & {
  readonly run: TraceBuild['run'] | { readonly seconds: number; readonly warmth: number };
};

const S = 1_000;

/** Estimates how long each build would have taken on the other kinds of cache, from the proportions of its repo's other builds. */
export function fillRuns(builds: readonly RecordedBuild[]): TraceBuild[] {
  const repos = new Map<string, RepoEstimate>();
  let pool: PoolEstimate = FIRST_GUESS;
  for (const { repo, run } of builds) {
    if (!('seconds' in run)) continue;
    const estimate = learnRun(repos.get(repo) ?? {}, pool, run.warmth, run.seconds * S);
    pool = learnPool(pool, estimate, run.warmth, run.seconds * S);
    repos.set(repo, estimate);
  }
  return builds.map((build): TraceBuild => {
    const { run } = build;
    if (!('seconds' in run)) return { ...build, run };
    const runs = expectedRuns(repos.get(build.repo) ?? {}, pool);
    const factor = run.seconds / runAt(runs, run.warmth);
    return { ...build, run: { warm: runs.warm * factor, stale: runs.stale * factor, cold: runs.cold * factor } };
  });
}
