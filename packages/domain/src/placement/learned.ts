import type { PoolEstimate, RepoEstimate } from './estimates.ts';

/** What is worth keeping of a repo when the leader changes. Plain data: it is stored as JSON. */
export interface LearnedRepo {
  readonly estimate: RepoEstimate;
  /** Its past builds as a count that fades, and when it stood so, ms since the epoch. */
  readonly demand: { readonly value: number; readonly at: number };
}

/** … and of the pool as a whole. */
export interface LearnedPool {
  readonly estimate: PoolEstimate;
  readonly horizonMs: number;
  /** Since when demand has been counted, ms since the epoch. */
  readonly watchedSince: number;
}
