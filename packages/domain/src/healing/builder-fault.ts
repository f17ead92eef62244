/**
 * States in which a builder fails builds for reasons of its own:
 * - `snapshot_missing`: BuildKit's records name a snapshot that is not there.
 * - `content_missing`: they name content that is not in its store.
 * - `record_corrupt`: a record of its cache contradicts others, or its database cannot be read.
 * - `stuck`: a build makes no progress and nothing of it runs, or BuildKit does not answer calls.
 * - `disk_full`: its disk has no space left, also when no build is using any.
 * - `out_of_memory`: its daemon was killed for memory.
 * - `down`: it cannot be started, for another or an unknown reason.
 */
export const BUILDER_STATES = [
  'snapshot_missing',
  'content_missing',
  'record_corrupt',
  'stuck',
  'disk_full',
  'out_of_memory',
  'down',
] as const;
export type BuilderState = (typeof BUILDER_STATES)[number];

/** What was found wrong with a builder. */
export interface BuilderFault {
  readonly state: BuilderState;
  /** The evidence, in BuildKit's words where it has any. */
  readonly message: string;
  /** Ids of the damaged records of BuildKit's disk usage, as far as they are known. */
  readonly records?: readonly string[];
  /** The step whose error shows it. */
  readonly step?: string;
  /** The error does not name a record: only a build that succeeds without the cache proves that the cache is damaged. */
  readonly isSuspected?: boolean;
}

/** What is done about a builder in a bad state. `retried`: a build was run again without what was damaged. */
export const BUILDER_ACTIONS = ['retried', 'handed_back', 'pruned', 'restarted', 'new_state', 'quarantined'] as const;
export type BuilderAction = (typeof BUILDER_ACTIONS)[number];

/** A builder's bad state, and what was done about it. */
export interface BuilderIncident {
  /** ms since the epoch. */
  readonly at: number;
  /** Key of the isolation domain whose builder it is. */
  readonly domain: string;
  readonly state: BuilderState;
  readonly action: BuilderAction;
  /** For people: what it was, and how the action ended. */
  readonly message?: string;
}
