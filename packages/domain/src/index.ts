export { type ClaimRule, firstMatch } from './access/claim-rules.ts';
export {
  ALL_TEAMS,
  ANONYMOUS,
  holds,
  LOCAL_ADMIN,
  leastTrust,
  PRINCIPAL_KINDS,
  type Principal,
  type PrincipalKind,
  SCOPES,
  type Scope,
  seesTeam,
  TRUSTS,
  type Trust,
  teamFor,
} from './access/principal.ts';
export { type AccessDecision, decideAccess, type RouteAccess, type TeamReach } from './access/route-access.ts';
export { formatToken, TOKEN_BYTES, TOKEN_KINDS, type TokenKind, tokenKind } from './access/token-format.ts';
export {
  type Granted,
  mayPush,
  type PushRule,
  pushPatterns,
  type Refusal,
  refusedTo,
} from './access/untrusted.ts';
export { isCommit } from './build/commit.ts';
export { FAILURE_CODES, type Failure, type FailureCode, isHandBack, isInfrastructure } from './build/failure.ts';
export { type AllowedFrontends, refusedFrontend, repositoryOf } from './build/frontend.ts';
export { type AnyOutput, isPushed, type OutputType, outputTypes } from './build/output-types.ts';
export { queueDeadline } from './build/queue-deadline.ts';
export {
  type Attempt,
  type AttemptEnd,
  type BuildRecord,
  type BuildResult,
  CREATOR_KINDS,
  type Creator,
  creatorOf,
  currentAttempt,
  type EndedRun,
  type ImageResult,
  type StepCounts,
  waitsForHost,
} from './build/record.ts';
export { type RepoKeyParts, repoKey, repoOrigin } from './build/repo-key.ts';
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
export { type BuilderCache, type BuilderScene, builderCaches } from './caches/builder-caches.ts';
export { CACHE_KINDS, type CacheKind, mountKind } from './caches/cache-kind.ts';
export {
  CACHE_MODES,
  type CacheMode,
  cacheModesOf,
  defaultCacheRef,
  OLDEST_MODES,
  placementKey,
} from './caches/cache-mode.ts';
export { cheapestToLose, type LearnedFacts } from './caches/cheapest-to-lose.ts';
export { bytesToFree, type FreeDisk, isLowOnDisk } from './caches/low-disk.ts';
export { type MountIdParts, readMountId } from './caches/mount-id.ts';
export { type MountOwner, mountOwners } from './caches/mount-owner.ts';
export { FIRST_SPEED, mayFill, speedOf, type Transfer, type TransferSpeed } from './caches/seeding.ts';
export {
  chooseEvictions,
  EVICTION_REASONS,
  type EvictableCache,
  type Eviction,
  type EvictionNeed,
  type EvictionReason,
  evictionOrder,
  type RepoSaving,
  savingPerHour,
  worthPerByte,
} from './caches/worth.ts';
export {
  CHECK_AREAS,
  CHECK_STATUSES,
  type Check,
  checkClock,
  checkDisk,
  checkExpiry,
} from './doctor/check.ts';
export { checkHosts, type HostFacts } from './doctor/check-hosts.ts';
export { checkRedis, type RedisFacts } from './doctor/check-redis.ts';
export { classifyGitError, type GitError, type GitFault } from './git/git-error.ts';
export {
  BUILDER_ACTIONS,
  BUILDER_STATES,
  type BuilderAction,
  type BuilderFault,
  type BuilderIncident,
  type BuilderState,
} from './healing/builder-fault.ts';
export {
  nextRepair,
  REPAIR_LIMITS,
  type Repair,
  type RepairAction,
  type RepairLimits,
  recentRepairs,
} from './healing/next-repair.ts';
export {
  type ImageReference,
  parseReference,
  type ReferenceParts,
  repositoryName,
  splitReference,
  taggedName,
} from './image/reference.ts';
export {
  type DomainOwner,
  type DomainParts,
  domainText,
  ISOLATIONS,
  type Isolation,
  isolationDomain,
  readDomain,
} from './isolation/isolation-domain.ts';
export {
  addWorth,
  type BudgetShares,
  type DomainWorth,
  type FadingWorth,
  shareBudget,
  worthOf,
} from './isolation/share-budget.ts';
export {
  DEFAULT_TEAM_LIMITS,
  gitTarget,
  isAllowedTarget,
  type Limit,
  type LimitDefaults,
  type LimitSettings,
  type LimitSubject,
  type Limits,
  limitDefaults,
  limitsOf,
  lowest,
  registryTarget,
  UNLIMITED,
} from './limits/limits.ts';
export {
  type LiveLogLimits,
  liveLogLimits,
  type MemoryLevel,
  type MemoryUse,
  memoryLevel,
} from './limits/memory-level.ts';
export { imagesOf } from './logins/dockerfile-images.ts';
export { ignoredLogins, type SentLogins } from './logins/ignored-logins.ts';
export { registriesOf } from './logins/registries.ts';
export {
  type ExpectedRuns,
  expectedRuns,
  FIRST_GUESS,
  learnPool,
  learnRun,
  type PoolEstimate,
  type RepoEstimate,
  runAt,
} from './placement/estimates/estimates.ts';
export type { LearnedPool, LearnedRepo } from './placement/estimates/learned.ts';
export type {
  ConsideredHost,
  DecisionReason,
  PlacementDecision,
  Prediction,
  Verdict,
} from './placement/model/decision.ts';
export {
  type AttemptOutcome,
  type ComingSeed,
  type HeldCache,
  type HostAttempt,
  type HostView,
  type PendingBuild,
  PRIORITIES,
  type Priority,
} from './placement/model/model.ts';
export { type FitConditions, type KnownHost, noFittingHost } from './placement/model/no-fitting-host.ts';
export type { RuledOut } from './placement/model/requirements.ts';
export { DEFAULT_PLACEMENT, type PlacementSettings } from './placement/model/settings.ts';
export type { Assignment } from './placement/pass/pass.ts';
export { type DecideOptions, type Decisions, PlacementPool } from './placement/placement-pool.ts';
export type { SeedCause, SeedConditions, SeedWish } from './placement/seeding/seed-planner.ts';
export { emulatedPlatforms, normalPlatform } from './platforms/platform.ts';
export { type PlatformOptions, runPlatforms } from './platforms/run-platforms.ts';
export {
  type ChosenSecrets,
  chooseSecrets,
  type SecretRef,
  type WantedSecrets,
} from './secrets/choose-secrets.ts';
export { isMasked, MIN_MASKED_CHARS } from './secrets/masking.ts';
export { SECRET_KINDS, type SecretIdentity, type SecretInfo, type SecretKind } from './secrets/stored-secret.ts';
export { type Amount, amountOf, parseAmount } from './text/amount.ts';
export { expandBraces, type GlobVerdict, matchGlobs } from './text/glob.ts';
export { trim, trimEnd } from './text/trim.ts';
export { parseBytes, parseDuration } from './text/units.ts';
export { type BuildTrace, parseTraceparent, traceIdOf } from './trace/trace-context.ts';
export { fitsServer } from './versions/fits-server.ts';
export {
  type AttemptWindow,
  type LayerRecord,
  layersUsed,
  type MountRecord,
  mountsUsed,
} from './warmth/attribution.ts';
export { type CacheOwner, cacheKey, domainOfKey, readCacheKey } from './warmth/cache-owner.ts';
export { CACHE_SCOPES, type CacheScope } from './warmth/cache-scope.ts';
export type { HeldLayers, HeldMount, Inventory } from './warmth/inventory.ts';
export { heldLayers, type LayerTrace, learnLayers } from './warmth/layer-trace.ts';
export { type AttemptUsage, learnUsage, type RepoUsage, type UsedMount } from './warmth/usage.ts';
export { cacheOf, cachesOf, type HostCache, warmth } from './warmth/warmth.ts';
export type {
  AttemptTrace,
  LostLayers,
  TracedContext,
  TracedEntry,
  TracedInstruction,
  TracedMount,
  TracedStage,
  TracedStep,
} from './why-slow/attempt-trace.ts';
export type {
  Cause,
  Compared,
  Difference,
  FileChange,
  FileChanges,
  FilesUnknown,
  NotCompared,
  RepoEviction,
} from './why-slow/cause.ts';
export { remoteSources } from './why-slow/copy-sources.ts';
export { type Compare, type ExplainedStep, explainMisses, firstMiss, sameBuilder } from './why-slow/explain-misses.ts';
export { maskValues } from './why-slow/mask-values.ts';
export { readDockerfile } from './why-slow/read-dockerfile.ts';
export { stepText } from './why-slow/step-name.ts';
export { type TimeByKind, timeByKind } from './why-slow/time-by-kind.ts';
