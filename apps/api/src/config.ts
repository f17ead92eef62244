import { availableParallelism } from 'node:os';
import { type LimitDefaults, limitDefaults, type PushRule } from '@kiln/domain';
import { DEFAULT_BLOB_RESERVE_BYTES } from '@kiln/state';
import type { KeyTimes } from './oidc/issuer-keys.ts';
import type { Issuer } from './oidc/settings.ts';

/** What a worker that joins is told. */
export interface JoinConfig {
  /** Bearer tokens of workers, beside those that an admin makes; none of them may be a user's. */
  readonly tokens: readonly string[];
  /** Where workers find Redis. Its host may be `0.0.0.0` or `[::]`: the address at which the worker reached the API then. */
  readonly redisUrl: string;
  readonly namespace: string;
  /** Replicas that must have what workers acknowledge. Default 0. */
  readonly minReplicas?: number;
  /** 32 bytes in base64; several with commas between, of which the first seals. */
  readonly secretKey: string;
}

/** OIDC issuers that are trusted, for CI and for people in the browser. */
export interface OidcConfig {
  readonly issuers: readonly Issuer[];
  readonly keyTimes: KeyTimes;
}

/** What an API process is told. Sizes in bytes, times in ms. */
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
  /** Where browsers find this API: an https URL, or http on this machine. Empty where nobody can log in. */
  readonly publicUrl: string;
  /** How long a session lasts. */
  readonly sessionMs: number;
  /** Whose `X-Forwarded-For` is believed: addresses and networks, or a number of proxies in front. */
  readonly trustProxy: readonly string[] | number;
  /** What teams and credentials may do, unless something is set for them by themselves. */
  readonly limits: LimitDefaults;
  /** Images that untrusted builds may push. */
  readonly untrustedPush: readonly PushRule[];
  /** Largest webhook of a forge: GitHub's own limit. */
  readonly maxHookBytes: number;
  /** Webhooks that are being read, together: they lie in memory until their signature is checked. One address has a quarter. */
  readonly maxHookMemoryBytes: number;
  /** How long the answer to a webhook waits for what it comes to. */
  readonly hookAnswerMs: number;
  /** Time for one git command that reads a repository's configuration, and the most that the other side may send. */
  readonly gitTimeoutMs: number;
  readonly maxGitBytes: number;
  /** The wait after the first failed try of what webhooks and reports need done; it doubles with each further one. */
  readonly hookRetryMs: number;
  /** How long a forge, or the target of a webhook, has to answer. */
  readonly hookSendTimeoutMs: number;
  /** Webhooks that one process works on at a time. */
  readonly hookConcurrency: number;
  /** Largest JSON body. */
  readonly maxJsonBytes: number;
  /** Largest context, as it is sent. */
  readonly maxContextBytes: number;
  /** Largest context once unpacked: what a gzip bomb runs into. */
  readonly maxUnpackedContextBytes: number;
  /** Most entries in a context: their names are held in memory while it arrives. */
  readonly maxContextEntries: number;
  /** Room in the blob store that is kept for logs: with less left, uploads are refused. */
  readonly blobReserveBytes: number;
  /** How long a client may take for the header fields of a request. */
  readonly headersTimeoutMs: number;
  /** How long a client may take for a body that isn't a context or artifact. */
  readonly bodyTimeoutMs: number;
  /** … and for how long it may bring next to nothing. */
  readonly bodyIdleMs: number;
  /** How long a connection without a request is kept. Longer than a proxy in front keeps its own. */
  readonly keepAliveMs: number;
  /** A connection on which nothing moves for so long is closed. Longer than any answer may be waited for. */
  readonly socketIdleMs: number;
  readonly maxConnections: number;
  /** Of one client address (of IPv6 one /64); not of proxies that are trusted, nor of this machine. */
  readonly maxConnectionsByAddress: number;
  /** Logs that one credential follows and builds that it waits for at the same time. */
  readonly maxStreamsByCredential: number;
  /** Requests a minute of one client address without a valid credential; 0: any number. */
  readonly strangerRequestsPerMinute: number;
  /** An upload that brings next to nothing for so long is given up. */
  readonly uploadIdleMs: number;
  /** How long a cancel waits for the host to confirm. */
  readonly cancelWaitMs: number;
  /** How long an answer may wait for Redis before it is `unavailable`. */
  readonly storeTimeoutMs: number;
  /** Longest silence on an event stream. */
  readonly sseHeartbeatMs: number;
  /** What a client is told to wait before it comes back to an event stream. */
  readonly sseRetryMs: number;
  /** Records of one live log that are kept for those who are a little behind. */
  readonly logRingBytes: number;
  /** Pages of logs, of all builds together, that are kept for those who read the same ones. */
  readonly logPageCacheBytes: number;
  /** How long a log without watchers keeps its reader, for a watcher that comes right back. */
  readonly logLingerMs: number;
  /** What one live log may have in Redis; what all may, where it isn't to follow from Redis' memory. */
  readonly liveLogBytes: number;
  readonly liveLogsBytes?: number;
  /** How often live logs are looked for that are to be moved to the blob store. */
  readonly logMoveIntervalMs: number;
  /** How often Redis' memory is looked at. */
  readonly memoryIntervalMs: number;
  /** How often ended logs are looked for, beside at every end of a build. */
  readonly archiveIntervalMs: number;
  /** How long an ended build stays whole in Redis before it moves to the blob store, and how often such builds are looked for. */
  readonly buildArchiveMs: number;
  readonly historyIntervalMs: number;
  readonly janitorIntervalMs: number;
  /** How often the clock of schedules is compared with what is kept, beside at every change. */
  readonly scheduleCheckMs: number;
  /** Time without a reader after which an archived log is deleted. */
  readonly logRetentionMs: number;
  /** Time without use after which a context is deleted. Keep it longer than a build may wait in the queue. */
  readonly contextRetentionMs: number;
  /** Time without a download after which an artifact is deleted. */
  readonly artifactRetentionMs: number;
  /** Age at which entries of the audit log are dropped. */
  readonly auditRetentionMs: number;
  /** How often secrets are looked for that an older key seals. */
  readonly resealIntervalMs: number;
  /** Age at which a temporary file belongs to nobody any more. */
  readonly tempRetentionMs: number;
  /** How long requests under way have when the process is to stop. */
  readonly closeTimeoutMs: number;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Every setting but the tokens, and what workers are told. */
export const API_DEFAULTS = {
  host: '127.0.0.1',
  port: 7700,
  publicUrl: '',
  sessionMs: 12 * HOUR_MS,
  trustProxy: [],
  limits: limitDefaults(),
  untrustedPush: [],
  maxHookBytes: 25 * MIB,
  maxHookMemoryBytes: 256 * MIB,
  hookAnswerMs: 400,
  gitTimeoutMs: 20_000,
  maxGitBytes: 256 * MIB,
  hookRetryMs: 1_000,
  hookSendTimeoutMs: 15_000,
  // Git is many short processes: more of them at once than cores hold answers up, and plan nothing sooner.
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
  janitorIntervalMs: HOUR_MS,
  scheduleCheckMs: 60_000,
  logRetentionMs: 30 * DAY_MS,
  contextRetentionMs: 7 * DAY_MS,
  artifactRetentionMs: 30 * DAY_MS,
  auditRetentionMs: 365 * DAY_MS,
  resealIntervalMs: 10 * 60_000,
  tempRetentionMs: DAY_MS,
  closeTimeoutMs: 10_000,
} as const satisfies Omit<ApiConfig, 'tokens' | 'join' | 'oidc'>;
