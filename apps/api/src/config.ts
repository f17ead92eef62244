import { availableParallelism } from 'node:os';
import { type LimitDefaults, limitDefaults, type PushRule } from '@kiln/domain';
import { DEFAULT_BLOB_RESERVE_BYTES } from '@kiln/state';
import type { KeyTimes } from './oidc/issuer-keys.ts';
import type { Issuer } from './oidc/settings.ts';
import { builtPageDir } from './page/page-files.ts';

/** What a joining worker is given. */
export interface JoinConfig {
  /** Bearer tokens of workers, in addition to those that an admin creates; none may be a user's. */
  readonly tokens: readonly string[];
  /** Where workers reach Redis. The host `0.0.0.0` or `[::]` stands for the address at which the worker reached the API. */
  readonly redisUrl: string;
  readonly namespace: string;
  /** Replicas that must have confirmed a write before workers acknowledge it. Default 0. */
  readonly minReplicas?: number;
  /** 32 bytes in base64; comma-separated if there are several, of which the first seals. */
  readonly secretKey: string;
}

/** Trusted OIDC issuers, for CI and for people in the browser. */
export interface OidcConfig {
  readonly issuers: readonly Issuer[];
  readonly keyTimes: KeyTimes;
}

/** The settings of an API process. Sizes in bytes, times in ms. */
export interface ApiConfig {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Bearer tokens of the local admin; at least one. */
  readonly tokens: readonly string[];
  /** Absent: no worker can join through this API. */
  readonly join?: JoinConfig;
  /** Absent: Kiln's own tokens are the only credentials. */
  readonly oidc?: OidcConfig;
  /** Where browsers reach this API: an https URL, or http on this machine. Empty: not said. */
  readonly publicUrl: string;
  /** The directory of the built page. */
  readonly pageDir: string;
  /** How long a session lasts. */
  readonly sessionMs: number;
  /** Proxies whose `X-Forwarded-For` is trusted: addresses and networks, or the number of proxies in front. */
  readonly trustProxy: readonly string[] | number;
  /** The limits of teams and credentials for which nothing else is set. */
  readonly limits: LimitDefaults;
  /** How long a build may wait for a host if its request doesn't say; 0: without limit. */
  readonly queueTimeoutMs: number;
  /** Images that untrusted builds may push. */
  readonly untrustedPush: readonly PushRule[];
  /** Whether builds get the registry logins that their clients send. */
  readonly takesClientLogins: boolean;
  /** Largest webhook of a forge; the default is GitHub's own limit. */
  readonly maxHookBytes: number;
  /** All webhooks that are being read: they are held in memory until their signature is checked. One address may use a quarter. */
  readonly maxHookMemoryBytes: number;
  /** How long the answer to a webhook waits for its outcome. */
  readonly hookAnswerMs: number;
  /** Time-out of one git command that reads a repository's configuration, and the most bytes that the server may send. */
  readonly gitTimeoutMs: number;
  readonly maxGitBytes: number;
  /** Wait before the first retry of work on webhooks and reports; it doubles with each further retry. */
  readonly hookRetryMs: number;
  /** Time-out of requests to forges and to targets of webhooks. */
  readonly hookSendTimeoutMs: number;
  /** Webhooks that one process works on at a time. */
  readonly hookConcurrency: number;
  /** Largest JSON body. */
  readonly maxJsonBytes: number;
  /** Largest context as sent. */
  readonly maxContextBytes: number;
  /** Largest unpacked context; stops gzip bombs. */
  readonly maxUnpackedContextBytes: number;
  /** Most entries of a context, whose names are held in memory while it arrives. */
  readonly maxContextEntries: number;
  /** Free space in the blob store that is reserved for logs: with less left, uploads are refused. */
  readonly blobReserveBytes: number;
  /** How long a client may take for the header fields of a request. */
  readonly headersTimeoutMs: number;
  /** How long a client may take for a body that isn't a context or artifact. */
  readonly bodyTimeoutMs: number;
  /** … and how long it may be next to idle meanwhile. */
  readonly bodyIdleMs: number;
  /** How long a connection without a request is kept. Must be longer than a proxy in front keeps its own. */
  readonly keepAliveMs: number;
  /** How long a connection may be idle before it is closed. Must be longer than any answer may take. */
  readonly socketIdleMs: number;
  readonly maxConnections: number;
  /** Connections from one client address (IPv6: one /64), except trusted proxies and this machine. */
  readonly maxConnectionsByAddress: number;
  /** Logs that one credential may follow, and builds that it may wait for, at the same time. */
  readonly maxStreamsByCredential: number;
  /** Contexts that one credential may upload at the same time: of each, the encoding of a directory may be in memory. */
  readonly maxUploadsByCredential: number;
  /** Requests per minute from one client address without a valid credential; 0: unlimited. */
  readonly strangerRequestsPerMinute: number;
  /** How long an upload may be next to idle before it is aborted. */
  readonly uploadIdleMs: number;
  /** How long a cancel waits for the host to confirm. */
  readonly cancelWaitMs: number;
  /** How long a request may wait for Redis before it is answered with `unavailable`. */
  readonly storeTimeoutMs: number;
  /** Interval of keep-alives on an event stream. */
  readonly sseHeartbeatMs: number;
  /** How long clients are told to wait before they reconnect to an event stream. */
  readonly sseRetryMs: number;
  /** Memory for the newest records of one live log, for watchers that are a little behind. */
  readonly logRingBytes: number;
  /** Memory for pages of all logs, for readers of the same pages. */
  readonly logPageCacheBytes: number;
  /** How long a log without watchers keeps its reader, for watchers that reconnect at once. */
  readonly logLingerMs: number;
  /** Most bytes of one live log in Redis, and of all together; the latter follows from Redis' memory by default. */
  readonly liveLogBytes: number;
  readonly liveLogsBytes?: number;
  /** How often to look for live logs to move to the blob store. */
  readonly logMoveIntervalMs: number;
  /** How often Redis' memory is checked. */
  readonly memoryIntervalMs: number;
  /** How often to look for ended logs, in addition to each end of a build. */
  readonly archiveIntervalMs: number;
  /** How long an ended build stays whole in Redis before it moves to the blob store, and how often to look for such builds. */
  readonly buildArchiveMs: number;
  readonly historyIntervalMs: number;
  readonly pruneIntervalMs: number;
  /** How often the job schedulers are compared with the stored schedules, in addition to each change. */
  readonly scheduleCheckMs: number;
  /** Time without a reader after which an archived log is deleted. */
  readonly logRetentionMs: number;
  /** Time without use after which a context is deleted. Must be longer than a build may be queued. */
  readonly contextRetentionMs: number;
  /** Time without use after which caches in registries are deleted, and how often; 0: never. */
  readonly cacheReferenceMs: number;
  readonly cacheCleanMs: number;
  /** Time without a download after which an artifact is deleted. */
  readonly artifactRetentionMs: number;
  /** Age at which entries of the audit log are deleted. */
  readonly auditRetentionMs: number;
  /** How often to look for secrets that are sealed with an older key. */
  readonly resealIntervalMs: number;
  /** Age at which a temporary file is deleted. */
  readonly tempRetentionMs: number;
  /** Whether builds that are accepted are traced. */
  readonly isTracing: boolean;
  /** How long requests under way may take when the process stops. */
  readonly closeTimeoutMs: number;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The defaults of all settings except tokens and those for joining workers. */
export const API_DEFAULTS = {
  host: '127.0.0.1',
  port: 7700,
  publicUrl: '',
  pageDir: builtPageDir(),
  sessionMs: 12 * HOUR_MS,
  trustProxy: [],
  limits: limitDefaults(),
  queueTimeoutMs: DAY_MS,
  untrustedPush: [],
  takesClientLogins: true,
  maxHookBytes: 25 * MIB,
  maxHookMemoryBytes: 256 * MIB,
  hookAnswerMs: 400,
  gitTimeoutMs: 20_000,
  maxGitBytes: 256 * MIB,
  hookRetryMs: 1_000,
  hookSendTimeoutMs: 15_000,
  // Git runs as many short processes: running more of them than there are cores delays answers without planning builds sooner.
  hookConcurrency: Math.max(2, availableParallelism()),
  maxJsonBytes: 4 * MIB,
  maxContextBytes: 4 * GIB,
  maxUnpackedContextBytes: 16 * GIB,
  maxContextEntries: 500_000,
  blobReserveBytes: DEFAULT_BLOB_RESERVE_BYTES,
  headersTimeoutMs: 20_000,
  bodyTimeoutMs: 30_000,
  bodyIdleMs: 5_000,
  keepAliveMs: 75_000,
  socketIdleMs: 330_000,
  maxConnections: 10_000,
  maxConnectionsByAddress: 1_000,
  maxStreamsByCredential: 500,
  maxUploadsByCredential: 64,
  strangerRequestsPerMinute: 600,
  uploadIdleMs: 60_000,
  cancelWaitMs: 10_000,
  storeTimeoutMs: 15_000,
  sseHeartbeatMs: 15_000,
  sseRetryMs: 1_000,
  logRingBytes: 8 * MIB,
  logPageCacheBytes: 32 * MIB,
  logLingerMs: 2_000,
  liveLogBytes: 4 * MIB,
  logMoveIntervalMs: 250,
  memoryIntervalMs: 1_000,
  archiveIntervalMs: 10_000,
  buildArchiveMs: 10 * 60_000,
  historyIntervalMs: 30_000,
  pruneIntervalMs: HOUR_MS,
  cacheReferenceMs: 14 * DAY_MS,
  cacheCleanMs: DAY_MS,
  scheduleCheckMs: 60_000,
  logRetentionMs: 30 * DAY_MS,
  contextRetentionMs: 7 * DAY_MS,
  artifactRetentionMs: 30 * DAY_MS,
  auditRetentionMs: 365 * DAY_MS,
  resealIntervalMs: 10 * 60_000,
  tempRetentionMs: DAY_MS,
  isTracing: false,
  closeTimeoutMs: 10_000,
} as const satisfies Omit<ApiConfig, 'tokens' | 'join' | 'oidc'>;
