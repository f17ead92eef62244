import type { PoolEstimate, RepoEstimate } from './estimates.ts';

/** What the next leader needs to know of a repo. Plain data: it is stored as JSON. */
export interface LearnedRepo {
  readonly estimate: RepoEstimate;
  /** The decaying count of its past builds, and as of when, ms since the epoch. */
  readonly demand: { readonly value: number; readonly at: number };
}

/** What the next leader needs to know of the pool as a whole. */
export interface LearnedPool {
  readonly estimate: PoolEstimate;
  readonly horizonMs: number;
  /** When counting of demand began, ms since the epoch. */
  readonly watchedSince: number;
}
