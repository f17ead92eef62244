import type { Readable } from 'node:stream';
import type { AuditEntry, HostChange, LimitChange, LogPiece, PoolEvent, ScheduleChange } from '@kiln/contracts';
import type {
  BuildRecord,
  LimitSettings,
  LimitSubject,
  MemoryLevel,
  Principal,
  SecretIdentity,
  SecretRef,
} from '@kiln/domain';
import type { OutgoingGuard } from '@kiln/runtime';
import type {
  AuditRange,
  BuildFilter,
  BuildPageRequest,
  CancelOutcome,
  DueSchedule,
  EndedBuild,
  EndedRef,
  HistoryPlace,
  HostState,
  LastRun,
  LimitUsage,
  LiveLogSettings,
  LogBatch,
  LogName,
  MemoryState,
  MeteredBlobs,
  NewAuditEntry,
  NewBuild,
  NewSchedule,
  NewSecret,
  NewToken,
  PieceOutcome,
  RateState,
  ReplicaState,
  Resealing,
  StorageLedger,
  StoredBuild,
  StoredDecision,
  StoredSchedule,
  StoredSecret,
  StoredToken,
  TeamSecretWishes,
} from '@kiln/state';
import type { Logger } from 'pino';
import type { HookDeps } from './hooks/ports.ts';

/** What the API needs of the builds. `accept` throws an error with code `idempotency_key_reused`, `queue_full` or `store_full`. */
export interface Builds {
  accept(build: NewBuild): Promise<{ build: StoredBuild; replayed: boolean }>;
  get(id: string): Promise<StoredBuild | undefined>;
  /** Of an archived build perhaps without its long texts: for those who want to know how it stands. */
  record(id: string): Promise<BuildRecord | undefined>;
  list(filter: BuildFilter, page: BuildPageRequest): Promise<{ builds: StoredBuild[]; next?: string }>;
  cancel(id: string): Promise<{ build: StoredBuild; outcome: CancelOutcome } | undefined>;
  /** Undefined where they are no longer kept. */
  secretsOf(id: string): Promise<Record<string, string> | undefined>;
  decisions(id: string): Promise<StoredDecision[]>;
}

/** Ended builds that are still whole in Redis, on their way to the blob store. `shrink` throws where the claim has lapsed. */
export interface History {
  claim(holder: string): Promise<boolean>;
  release(holder: string): Promise<void>;
  ended(endedBefore: number, skip: number, limit: number): Promise<EndedRef[]>;
  read(ids: readonly string[]): Promise<EndedBuild[]>;
  shrink(
    holder: string,
    stored: readonly (Pick<EndedBuild, 'id' | 'stamp' | 'doc' | 'spec'> & { readonly place: HistoryPlace })[],
  ): Promise<number>;
  /** Builds that ended before are forgotten, ms since the epoch. */
  purgedUpTo(): Promise<number>;
}

/** Kiln's own tokens. `find` reads anew each time: a revoked one is found no more. */
export interface Tokens {
  create(text: string, token: NewToken): Promise<StoredToken>;
  find(text: string): Promise<StoredToken | undefined>;
  isUseStale(token: StoredToken): boolean;
  noteUse(text: string): Promise<void>;
  list(): Promise<StoredToken[]>;
  revoke(id: string): Promise<StoredToken | undefined>;
}

/** Sessions of people in browsers, by what their cookie holds. */
export interface Sessions {
  create(secret: string, principal: Principal, ttlMs: number): Promise<Principal>;
  find(secret: string): Promise<Principal | undefined>;
  end(secret: string): Promise<boolean>;
}

/** Seals texts so that only this pool opens them, where `context` is the same. `open` throws for any other text. */
export interface Sealing {
  seal(text: string, context: string): string;
  open(sealed: string, context: string): string;
}

/** What teams have the server keep for their builds. Nothing here gives a value. `set` throws an error with code `too_many_secrets`. */
export interface Secrets {
  set(secret: NewSecret): Promise<{ secret: StoredSecret; isNew: boolean }>;
  list(team?: string): Promise<StoredSecret[]>;
  remove(identity: SecretIdentity): Promise<StoredSecret | undefined>;
  isReadable(secret: StoredSecret): boolean;
}

/** Which secrets a build may have. */
export interface BuildSecrets {
  refusals(wishes: TeamSecretWishes): Promise<readonly { ref: SecretRef; why: 'missing' | 'withheld' }[]>;
}

/** Seals with the first key what another one seals. */
export interface Reseal {
  run(options?: { isThorough?: boolean; signal?: AbortSignal }): Promise<Resealing>;
}

/** Which teams may name which contexts. */
export interface ContextTeams {
  grant(digest: string, team: string, ttlMs: number): Promise<void>;
  has(digest: string, team: string): Promise<boolean>;
  teamsOf(digest: string): Promise<string[]>;
}

/** Builds that come by the clock. `create` and `change` throw errors with code `schedule_exists`, `invalid_cron`. */
export interface Schedules {
  create(schedule: NewSchedule): Promise<StoredSchedule>;
  get(id: string): Promise<StoredSchedule | undefined>;
  list(): Promise<StoredSchedule[]>;
  secretsOf(id: string): Promise<Record<string, string>>;
  change(id: string, change: ScheduleChange): Promise<StoredSchedule | undefined>;
  remove(id: string): Promise<StoredSchedule | undefined>;
  noteRun(id: string, run: LastRun): Promise<void>;
  lastRun(id: string): Promise<LastRun | undefined>;
  nextRunAt(id: string): Promise<number | undefined>;
  follow(): Promise<void>;
  /** Calls `run` for what is due, in one of the processes that do; what it throws is tried again. */
  consume(run: (due: DueSchedule) => Promise<void>, onError: (error: Error) => void): AsyncDisposable;
}

/** Limits that are set, by `subjectKey` of whose they are. */
export interface LimitSets {
  all(): Promise<ReadonlyMap<string, LimitSettings>>;
  change(subject: LimitSubject, change: LimitChange): Promise<LimitSettings>;
  usage(subject: LimitSubject): Promise<LimitUsage>;
}

/** Counts requests. */
export interface Rates {
  take(subject: LimitSubject, perMinute: number): Promise<RateState>;
}

/** The audit log. */
export interface Audit {
  append(entry: NewAuditEntry): Promise<string>;
  read(range: AuditRange, limit: number): Promise<AuditEntry[]>;
  trim(before: number): Promise<void>;
}

export interface Hosts {
  list(): Promise<HostState[]>;
  get(name: string): Promise<HostState | undefined>;
  /** Which repos' recent builds used each cache mount, by its id. */
  mountUsers(): Promise<ReadonlyMap<string, readonly string[]>>;
}

/** What operators do with hosts. Undefined where there is no such host. `change` throws an error with code `too_many_labels`. */
export interface HostOperations {
  cordon(name: string): Promise<HostState | undefined>;
  uncordon(name: string): Promise<HostState | undefined>;
  drain(name: string, deadlineMs?: number): Promise<HostState | undefined>;
  change(name: string, change: HostChange): Promise<HostState | undefined>;
  remove(
    name: string,
    force: boolean,
  ): Promise<{ outcome: 'removed' | 'removing' | 'busy'; host: HostState } | undefined>;
}

/** One reader of one live log. `next` waits; it may come back empty-handed. */
export interface Tail extends AsyncDisposable {
  next(signal?: AbortSignal): Promise<LogBatch[]>;
}

/** What the API needs of the live logs. Records of an attempt are numbered from 1 without gaps. */
export interface LogStreams {
  exists(buildId: string, attempt: number): Promise<boolean>;
  read(buildId: string, attempt: number, afterSeq: number, maxBatches: number): Promise<LogBatch[]>;
  openTail(buildId: string, attempt: number, afterSeq: number): Tail;
  loud(bytes: number, limit: number): Promise<LogName[]>;
  newestFirst(buildId: string, attempt: number): Promise<number | undefined>;
  /** The right to move a log, while nobody else has it. */
  claim(buildId: string, attempt: number): Promise<({ readonly holder: string } & AsyncDisposable) | undefined>;
  movePiece(log: LogName, holder: string, piece: LogPiece, bytes: number): Promise<PieceOutcome>;
  pieces(buildId: string, attempt: number): Promise<LogPiece[]>;
  pieceAfter(buildId: string, attempt: number, seq: number): Promise<LogPiece | undefined>;
  recount(): Promise<void>;
  unarchived(limit: number): Promise<LogName[]>;
  markArchived(buildId: string, attempt: number): Promise<void>;
}

/** How full Redis is. `assertRoom` throws an error with code `store_full`. */
export interface Memory {
  note(settings: LiveLogSettings): Promise<{ state: MemoryState; before: MemoryLevel }>;
  read(settings: LiveLogSettings): Promise<MemoryState>;
  assertRoom(): Promise<void>;
}

export interface Events {
  subscribe(listener: (event: PoolEvent) => void): Disposable;
}

/** What the API needs of the blob store. Errors of the file system (ENOSPC) come through. */
export interface Blobs {
  /** A fresh path on the store's file system, for something that `adopt` takes over. */
  tempPath(): Promise<string>;
  adopt(tempPath: string, key: string): Promise<void>;
  put(key: string, content: Readable): Promise<{ digest: string; sizeBytes: number }>;
  /** From byte `start` to byte `end`, both included; the whole where they aren't given. Counts as a use. */
  open(key: string, range?: { start?: number; end?: number }): Promise<Readable | undefined>;
  stat(key: string): Promise<{ sizeBytes: number; usedAt: number } | undefined>;
  delete(key: string): Promise<void>;
  list(prefix: string): AsyncIterable<string>;
  /** Room that is left, bytes; absent where a store has no end of it. */
  freeBytes?(): Promise<number>;
}

/** The same, whose blobs are counted by team. */
export type MeteredDeps = Omit<ApiDeps, 'blobs'> & { readonly blobs: MeteredBlobs };

export interface ApiDeps extends HookDeps {
  readonly builds: Builds;
  readonly history: History;
  readonly hosts: Hosts;
  readonly hostOperations: HostOperations;
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  readonly sealer: Sealing;
  readonly contextTeams: ContextTeams;
  readonly secrets: Secrets;
  readonly buildSecrets: BuildSecrets;
  readonly resealer: Reseal;
  readonly schedules: Schedules;
  readonly limits: LimitSets;
  readonly rates: Rates;
  readonly storage: StorageLedger;
  /** For whatever is reached on others' behalf. */
  readonly outgoing: Pick<OutgoingGuard, 'check' | 'fetch'>;
  readonly audit: Audit;
  readonly logs: LogStreams;
  readonly memory: Memory;
  readonly events: Events;
  /** The master's replicas; absent where nothing is to be said of them. */
  replicas?(): Promise<ReplicaState>;
  readonly blobs: Blobs;
  readonly log: Logger;
  /** ms since the epoch. */
  readonly now?: () => number;
}
