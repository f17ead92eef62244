export { isCommit } from './build/commit.ts';
export { FAILURE_CODES, type Failure, type FailureCode, isInfrastructure } from './build/failure.ts';
export {
  type Attempt,
  type AttemptEnd,
  type BuildRecord,
  type BuildResult,
  currentAttempt,
  type EndedRun,
  type StepCounts,
  waitsForHost,
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
export {
  type ConsideredHost,
  type HostView,
  type PendingBuild,
  type PlacementDecision,
  type PlacementSnapshot,
  PRIORITIES,
  type Priority,
  place,
  type RuledOut,
} from './placement/place.ts';
