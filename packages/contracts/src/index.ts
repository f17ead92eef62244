export {
  artifactKey,
  BLOB_KINDS,
  buildOfKey,
  contextKey,
  HISTORY_PREFIX,
  historyEnd,
  historyKey,
  isCountedKey,
  logIndexKey,
  logKey,
  logOfPiece,
  logPieceKey,
  TRACES_PREFIX,
  teamOfTreesKey,
  teamTreesKey,
  traceKey,
} from './blobs/keys.ts';
export {
  type BuildCache,
  buildCache,
  type CacheLocation,
  type CachePlaces,
  cacheLocation,
  cacheOfMode,
  cachePlaces,
} from './caches/build-cache.ts';
export {
  type HostInventory,
  hostInventory,
  MAX_PUBLISHED_MOUNTS,
  MAX_PUBLISHED_REPOS,
} from './caches/host-inventory.ts';
export {
  type DropResult,
  type DropTask,
  dropResult,
  HOST_TASK_FAILURES,
  HOST_TASK_STATES,
  type HostTask,
  type HostTaskFailure,
  type HostTaskOrder,
  type HostTaskProgress,
  type HostTaskType,
  hostTask,
  hostTaskOrder,
  hostTaskProgress,
  mountName,
  type SeedAfter,
  taskId,
  teamOfTask,
} from './caches/host-task.ts';
export {
  MAX_SNAPSHOT_CHUNK_BYTES,
  type NewSnapshot,
  newSnapshot,
  OWNED_SNAPSHOT_FORMAT,
  type SaveRequest,
  type SeedRequest,
  SNAPSHOT_FORMAT,
  type SnapshotChunk,
  type SnapshotManifest,
  type SnapshotMount,
  type SnapshotView,
  saveRequest,
  seedRequest,
  snapshotId,
  snapshotList,
  snapshotManifest,
  snapshotQuery,
  snapshotView,
} from './caches/snapshot.ts';
export { canonicalJson } from './canonical-json.ts';
export { glob } from './config/glob.ts';
export { kilnConfigJsonSchema } from './config/json-schema.ts';
export { type KilnConfig, type KilnImage, type KilnTriggers, kilnConfig } from './config/kiln-config.ts';
export { type RepoSettings, repoSettings } from './config/repo-settings.ts';
export { fillTemplate, placeholdersOf, type TagPlaceholder } from './config/tag-template.ts';
export {
  type BuildChanged,
  buildChanged,
  cachesChanged,
  hostChanged,
  type PoolEvent,
  poolEvent,
} from './events/pool-event.ts';
export {
  type ChangedPaths,
  FORGES,
  type ForgeEvent,
  type ForgeName,
  type ForgeRepository,
  forgeEvent,
  type PullRequestEvent,
  type RerunEvent,
} from './forge/event.ts';
export {
  type ConnectedRepository,
  type ConnectionRequest,
  type ConnectionSecretRotation,
  type ConnectionView,
  connectionList,
  connectionName,
  connectionRequest,
  connectionSecretRotation,
  connectionView,
  forgeAddresses,
  forgeName,
  REPOSITORY_PLACEHOLDER,
} from './hooks/connection.ts';
export {
  DELIVERY_FAILURES,
  type DeliveryFailure,
  type DeliveryView,
  deliveryId,
  deliveryPage,
  deliveryQuery,
  deliveryView,
  type EventOutcome,
} from './hooks/delivery.ts';
export {
  type MessageView,
  messageId,
  messagePage,
  messageQuery,
  messageView,
  WEBHOOK_EVENTS,
  type WebhookEvent,
  type WebhookRequest,
  type WebhookSecretRotation,
  type WebhookView,
  webhookId,
  webhookList,
  webhookRequest,
  webhookSecretRotation,
  webhookView,
} from './hooks/webhook.ts';
export {
  type CliLoginView,
  type CreatedToken,
  cliLoginQuery,
  cliLoginView,
  createdToken,
  type LoginCode,
  type LoginMethods,
  loginCode,
  loginMethods,
  loginQuery,
  sessionRequest,
  type TokenRequest,
  type TokenView,
  tokenId,
  tokenList,
  tokenRequest,
  tokenView,
  type WhoamiView,
  whoamiView,
} from './http/access.ts';
export { type AuditEntry, auditEntry, auditId, auditQuery } from './http/audit.ts';
export {
  type BakeInput,
  bakeInput,
  type EvaluateRequest,
  evaluateRequest,
  evaluateResult,
  MAX_BAKE_BYTES,
  MAX_BAKE_DEFINITION_BYTES,
  MAX_BAKE_FILES,
} from './http/bake-evaluation.ts';
export {
  gitSource,
  type NamedContext,
  type NamedContextInput,
  type UploadedContext,
  uploadedContexts,
} from './http/build-contexts.ts';
export { type BuildFacts, type BuildFilter, branchOf, matchesFilter } from './http/build-filter.ts';
export {
  type BuildRequest,
  type BuildRequestInput,
  type BuildSpec,
  buildRequest,
  buildSpec,
  secretRepoOf,
  storedSecretsOf,
  uploadSource,
} from './http/build-request.ts';
export { type BuildView, buildView } from './http/build-view.ts';
export {
  type CacheModeOrder,
  type ModeDefaultView,
  modeDefault,
  modeList,
  modeOrder,
  modeQuery,
} from './http/cache-modes.ts';
export {
  type CleanAnswer,
  type CleanedReference,
  type CleanRequest,
  cleanAnswer,
  cleanRequest,
} from './http/cache-references.ts';
export {
  type CacheListView,
  type CacheView,
  cacheList,
  cacheQuery,
  cacheView,
  type DropRequest,
  dropAnswer,
  dropRequest,
} from './http/caches.ts';
export {
  type ClientLogin,
  type ClientLoginsView,
  clientLogin,
  IGNORED_LOGINS,
  type RetryRequest,
  retryRequest,
} from './http/client-logins.ts';
export {
  ENTITLEMENTS,
  MAX_CLIENT_LOGINS,
  MAX_SECRET_BYTES,
  MAX_TREE_DIGESTS,
  MTIME_MODES,
  NAMESPACE_ARG,
  OUTSIDE_DOCKERFILE,
  SUPERSEDE_MODES,
  type TimedEntries,
  TREE_PARTS_TYPE,
  timedEntries,
} from './http/constants.ts';
export { type CheckView, checkList } from './http/doctor.ts';
export { isExportOption } from './http/export-options.ts';
export {
  buildId,
  contextDigest,
  gitRef,
  gitUrl,
  relativePath,
  tagReference,
  teamName,
} from './http/fields.ts';
export { type HostDetailView, hostDetail } from './http/host-caches.ts';
export { hostLabels, MAX_LABELS } from './http/host-labels.ts';
export { type HostLossView, hostLosses } from './http/host-losses.ts';
export { type HostNetwork, hostNetwork } from './http/host-network.ts';
export {
  type DrainOrder,
  drainOrder,
  type HostChange,
  hostChange,
  type JoinGrant,
  joinGrant,
  joinRequest,
  removeQuery,
} from './http/host-orders.ts';
export {
  type HostDisk,
  type HostReport,
  hostDisk,
  hostLoad,
  hostName,
  hostReport,
  MAX_INCIDENTS,
  type NewHostReport,
} from './http/host-report.ts';
export {
  type LimitChange,
  type LimitList,
  type LimitView,
  limitChange,
  limitList,
  limitSettings,
  limitsFile,
  limitView,
  type OwnLimits,
  ownLimits,
} from './http/limits.ts';
export { type ArtifactOutput, type OutputSpec, outputSpec, type SingleOutput } from './http/output-spec.ts';
export { artifactsOf, outputsOf, pushedNames } from './http/outputs-of.ts';
export {
  type FieldProblem,
  fieldPath,
  fieldProblem,
  fieldProblems,
  PROBLEM_CODES,
  type Problem,
  type ProblemCode,
  problem,
} from './http/problem.ts';
export {
  type ScheduleChange,
  type ScheduleRequest,
  type ScheduleView,
  scheduleChange,
  scheduleId,
  scheduleList,
  scheduleRequest,
  scheduleView,
} from './http/schedules.ts';
export {
  type ResealReport,
  resealReport,
  type SecretOrder,
  type SecretOrderInput,
  type SecretView,
  secretList,
  secretOrder,
  secretQuery,
  secretsQuery,
  secretView,
} from './http/secrets.ts';
export {
  onAllTargets,
  type TargetSpec,
  type TargetsRequest,
  tagsToPush,
  targetSpecs,
  type UploadedTree,
  uploadedTrees,
  withoutDirectoryTimes,
} from './http/target-specs.ts';
export { type TaskView, taskList, taskQuery, taskView, taskWaitQuery } from './http/tasks.ts';
export {
  type MissingTreeParts,
  missingTreeParts,
  type StoredTreeParts,
  storedTreeParts,
  storeTreeQuery,
  type TreeDigests,
  treeDigests,
  treeQuery,
} from './http/trees.ts';
export { VERSION_HEADER, type VersionView, versionView } from './http/version.ts';
export {
  type BuildPage,
  buildPage,
  buildQuery,
  type ContextView,
  contextView,
  type HostInfoView,
  hostList,
  hostView,
  logQuery,
  type PlacementInfoView,
  placementView,
  waitQuery,
} from './http/views.ts';
export { type CauseView, type WhySlowView, whySlowQuery, whySlowView } from './http/why-slow.ts';
export {
  type AttemptCall,
  calledAttempt,
  JOBS,
  type PlanDeliveryJob,
  type ReportStatusJob,
  type RunAttemptJob,
  runAttemptJob,
  type SendMessageJob,
} from './jobs/catalog.ts';
export { formatLogId, type LogPosition, parseLogId } from './log/log-id.ts';
export { type LogMembers, type LogPiece, logMembers, logPiece } from './log/log-piece.ts';
export { bytes, failureSentence, PlainRenderer, runText } from './log/plain.ts';
export {
  type EndRecord,
  type IdentifiedLogRecord,
  type LogRecord,
  logRecord,
  type OutputRecord,
  type StepRecord,
} from './log/record.ts';
export { safeName, safeText } from './log/safe-text.ts';
export { openApiDocument } from './openapi/document.ts';
export { PROBLEM_KINDS, type ProblemKind } from './openapi/problem-kinds.ts';
export {
  type AnswerDoc,
  type BodyDoc,
  changesState,
  type HeaderDoc,
  type MultipartBody,
  type RawBody,
  type RouteDoc,
} from './openapi/route.ts';
export { artifactName, logStreamQuery, type OperationId, ROUTES, storedArtifact } from './openapi/routes.ts';
export { learnedPool, learnedRepo } from './placement/learned.ts';
export { attemptTrace, TRACE_LIMITS } from './traces/attempt-trace.ts';
export { causeLines, causeWord, stepLabel } from './words/miss-cause.ts';
export { reasonText, verdictText } from './words/placement.ts';
