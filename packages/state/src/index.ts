export { ContextTeams } from './access/context-teams.ts';
export { type Session, SessionStore } from './access/session-store.ts';
export { type NewToken, type StoredToken, TokenStore } from './access/token-store.ts';
export { AuditLog, type AuditRange, type NewAuditEntry } from './audit/audit-log.ts';
export { type AttemptRef, AttemptStore } from './builds/attempt-store.ts';
export { BuildStore, type BuildStoreOptions, inOrder } from './builds/build-store.ts';
export type { CancelOutcome } from './builds/cancel.ts';
export {
  CorruptState,
  IdempotencyKeyReused,
  NotLeader,
  QueueFull,
  RequestNotUnderstood,
  StaleAttempt,
} from './builds/errors.ts';
export { FollowUps } from './builds/follow-ups.ts';
export {
  type AssignOutcome,
  assignmentOf,
  type ChosenHost,
  type ConcurrencyLimits,
  PendingStore,
  pendingBuild,
} from './builds/pending-store.ts';
export { type ArchiveEntry, ArchiveIndex } from './caches/archive-index.ts';
export { type CacheReference, CacheReferences, type ReferenceOwner } from './caches/cache-references.ts';
export { EvictionStore, type HostEviction } from './caches/eviction-store.ts';
export { type HostWriter, InventoryStore } from './caches/inventory-store.ts';
export { type ModeDefault, ModeDefaults } from './caches/mode-defaults.ts';
export { type RepoSavings, SavingStore } from './caches/saving-store.ts';
export { UsageStore } from './caches/usage-store.ts';
export { type EndedBuild, type EndedRef, HistoryClaimLost, HistoryStore } from './history/history-store.ts';
export { type ConnectionSecrets, ConnectionStore, type StoredConnection } from './hooks/connection-store.ts';
export { type DeliveryFilter, DeliveryStore, type NewDelivery, type StoredDelivery } from './hooks/delivery-store.ts';
export type { PreviousSecret } from './hooks/previous-secret.ts';
export { type FixedReport, ReportStore, type ReportTarget, type StoredReport } from './hooks/report-store.ts';
export { type Subject, SubjectStore } from './hooks/subject-store.ts';
export { type NewMessage, type StoredMessage, type StoredWebhook, WebhookStore } from './hooks/webhook-store.ts';
export type { CacheMoves, Drain, HostOrders } from './hosts/desired.ts';
export { HostNameTaken, HostRemoved, TooManyLabels, WorkerReplaced } from './hosts/errors.ts';
export { HostOperations } from './hosts/host-operations.ts';
export { type DesiredState, type HeldAttempt, HostStore, type WorkerIdentity } from './hosts/host-store.ts';
export { Leadership, type ServerRun } from './leases/leadership.ts';
export { LimitStore, type LimitUsage, subjectKey, subjectOf } from './limits/limit-store.ts';
export { RATE_WINDOW_SECONDS, type RateState, RequestRates } from './limits/request-rates.ts';
export type { LogClaim } from './logs/log-claim.ts';
export {
  type AppendOptions,
  LogBehind,
  type LogName,
  LogStore,
  liveBytes,
  type PieceOutcome,
} from './logs/log-store.ts';
export { LogTail } from './logs/log-tail.ts';
export { openState, type State, type StateOptions } from './open-state.ts';
export { isPassing, persist } from './persist.ts';
export { type Learned, LearnedStore } from './placement/learned-store.ts';
export { type AttemptConsumer, AttemptQueues, consumeAttempts } from './queue/attempt-queue.ts';
export { type ConsumeOptions, HookQueues, type JobConsumer, type JobTry, RetryLater } from './queue/hook-queues.ts';
export { connectRedis, InvalidRedisUrl, RedisUnreachable, reachRedis, redisOptions } from './redis/connect.ts';
export type { EventGroupOptions } from './redis/event-group.ts';
export type { Keys } from './redis/keys.ts';
export { isOutOfMemory, type LiveLogSettings, Memory, type MemoryState, StoreFull } from './redis/memory.ts';
export type { StateObserver } from './redis/observer.ts';
export { PoolEvents } from './redis/pool-events.ts';
export type { ReplicaState } from './redis/replicas.ts';
export { NotReplicated, Replication } from './redis/replication.ts';
export { Resealer, type Resealing } from './reseal.ts';
export { type DueSchedule, InvalidCron } from './schedules/schedule-clock.ts';
export {
  type LastRun,
  type NewSchedule,
  ScheduleExists,
  ScheduleStore,
  type StoredSchedule,
} from './schedules/schedule-store.ts';
export { BuildSecretReader, type BuildSecrets, type TeamWantedSecrets } from './secrets/build-secrets.ts';
export { SecretsUnavailable, TooManySecrets } from './secrets/errors.ts';
export { SealBroken, Sealer } from './secrets/sealer.ts';
export type { RegistryLogin, SecretContent } from './secrets/secret-content.ts';
export { type NewSecret, SecretStore, type StoredSecret } from './secrets/secret-store.ts';
export { BlobTooLarge, StorageFull, StorageQuotaExceeded } from './storage/errors.ts';
export { DEFAULT_BLOB_RESERVE_BYTES, MeteredBlobs, type MeteredBlobsDeps } from './storage/metered-blobs.ts';
export type { MeteredUpload, UploadAllowance } from './storage/metered-upload.ts';
export { type StorageEntry, StorageLedger, type StorageShare } from './storage/storage-ledger.ts';
export { storeArtifact } from './storage/store-artifact.ts';
export type { TreeLocks } from './storage/tree-locks.ts';
export { TaskLost, TooManyTasks } from './tasks/errors.ts';
export { type ClaimedTask, HostTasks, type TaskFilter } from './tasks/host-tasks.ts';
export type {
  ArchivedBuild,
  BuildPageRequest,
  HistoryPlace,
  HostState,
  Idempotency,
  KeySpace,
  LogBatch,
  NewBuild,
  PublishedInventory,
  StoredBuild,
  StoredDecision,
} from './types.ts';
