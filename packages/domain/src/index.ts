export { FAILURE_CODES, type Failure, type FailureCode, isInfrastructure } from './build/failure.ts';
export {
  type Attempt,
  type AttemptEnd,
  type BuildRecord,
  type BuildResult,
  currentAttempt,
  type StepCounts,
} from './build/record.ts';
export { type RepoKeyParts, repoKey } from './build/repo-key.ts';
export { BUILD_STATES, type BuildState, isTerminal, TERMINAL_STATES, type TerminalState } from './build/state.ts';
export {
  type BuildEvent,
  type BuildEventType,
  type IllegalTransition,
  isIllegal,
  MAX_ATTEMPTS,
  type Outcome,
  transition,
} from './build/transition.ts';
export type {
  ConsideredHost,
  DecisionReason,
  PlacementDecision,
  Prediction,
  Verdict,
} from './placement/decision.ts';
export {
  expectedRuns,
  FIRST_GUESS,
  learnPool,
  learnRun,
  type PoolEstimate,
  type RepoEstimate,
  runAt,
} from './placement/estimates.ts';
export type { LearnedPool, LearnedRepo } from './placement/learned.ts';
export type { Assignment } from './placement/pass.ts';
export { type DecideOptions, type Decisions, PlacementPool } from './placement/pool.ts';
export type { RuledOut } from './placement/requirements.ts';
export { DEFAULT_PLACEMENT, type PlacementSettings } from './placement/settings.ts';
export {
  type AttemptOutcome,
  type HeldCache,
  type HostAttempt,
  type HostView,
  type PendingBuild,
  PRIORITIES,
  type Priority,
  TRUST_CLASSES,
  type TrustClass,
} from './placement/words.ts';
