import type { BuildSpec, ClientLogin, HostInventory, HostReport } from '@kiln/contracts';
import type { BuildRecord, BuildTrace, Granted, HostCache, PlacementDecision, Trust } from '@kiln/domain';
import type { HostOrders } from './hosts/desired.ts';

/** A stored build: its record and its request. */
export interface StoredBuild {
  readonly record: BuildRecord;
  readonly spec: BuildSpec;
  /** Set if the build was archived in the blob store. */
  readonly archived?: ArchivedBuild;
}

/** The place of a build's document: a gzip member of a blob. */
export interface HistoryPlace {
  /** Key of the blob. */
  readonly blob: string;
  /** First byte and length. */
  readonly start: number;
  readonly bytes: number;
}

export interface ArchivedBuild extends HistoryPlace {
  /** Whether record and request lack their long parts here, which the document contains. */
  readonly isCut: boolean;
}

/**
 * Who chooses an idempotency key: callers of the API, or Kiln itself for schedules and webhooks. The spaces are separate, so that no caller
 * can use the key of a scheduled run or of a webhook's build.
 */
export type KeySpace = 'request' | 'schedule' | 'hook';

/** An idempotency key, which is only repeated within its space, team and trust class. */
export interface Idempotency {
  readonly space: KeySpace;
  readonly key: string;
  /** Identifies the request, so that reusing the key for another one is refused. */
  readonly fingerprint: string;
}

export interface NewBuild {
  readonly repo: string;
  readonly spec: BuildSpec;
  /** Values by id, in the clear; sealed before they reach Redis. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The client's registry logins, in the clear; sealed before they reach Redis, and deleted at the build's end. */
  readonly logins?: readonly ClientLogin[];
  readonly retryOf?: string;
  /** Id of the pull request that it builds, by `SubjectStore`. */
  readonly pullRequest?: string | undefined;
  readonly clonesWith?: BuildRecord['clonesWith'];
  readonly createdBy?: BuildRecord['createdBy'];
  /** Default: trusted. */
  readonly trust?: Trust;
  /** Principal whose limits apply beside those of the team. */
  readonly submitter?: string | undefined;
  /** Limits on waiting builds, including this one; absent: none. */
  readonly maxQueued?: { readonly team?: number | undefined; readonly token?: number | undefined };
  /** Limit on an attempt's log, bytes. */
  readonly maxLogBytes?: number | undefined;
  /** Limits on its artifact, and on everything that its team stores, bytes. */
  readonly maxArtifactBytes?: number | undefined;
  readonly maxStoredBytes?: number | undefined;
  /** Platforms for which it runs programs, if its Dockerfile says. Absent: unknown. */
  readonly runPlatforms?: readonly string[];
  /** How long it may wait for a host if its request doesn't say, ms. Absent: without limit. */
  readonly queueTimeoutMs?: number | undefined;
  /** What rules grant it although it is untrusted. Default: nothing. */
  readonly granted?: Granted;
  /** The trace that it is part of; with an empty object it begins one. Absent: it isn't traced. */
  readonly trace?: Partial<BuildTrace> | undefined;
  readonly idempotency?: Idempotency;
}

export interface BuildPageRequest {
  /** Most builds on the page. */
  readonly limit: number;
  /** Id of the last build on the previous page. */
  readonly cursor?: string | undefined;
}

export interface HostState {
  /** The worker's report, overridden by the operator's slots and labels. */
  readonly report: HostReport;
  /** The worker's own slots and labels. */
  readonly reported: Pick<HostReport, 'slots' | 'labels'>;
  readonly orders: HostOrders;
  readonly machine: string;
  readonly incarnation: string;
  /** Also true while it drains. */
  readonly cordoned: boolean;
  /** Whether an operator drains it; `report.accepting` says whether its worker is about to leave. */
  readonly draining: boolean;
  /** Whether its worker has a lease. */
  readonly alive: boolean;
  /** The isolation domain that it serves, by its report, or by the builds assigned to it before it could report one. */
  readonly serves?: string;
  /** Whether its worker left in order; it is listed because of its settings. */
  readonly left: boolean;
  /** ms since the epoch. */
  readonly lastSeenAt: number;
  /** The Redis server process that took its last report. */
  readonly serverRun?: string;
  /** How long a report renews the lease for, ms. */
  readonly leaseTtlMs?: number;
  /** Builds of which it runs an attempt that it doesn't hold. It is about to stop them; until then they aren't assigned. */
  readonly stale?: readonly string[];
  readonly held: readonly { readonly buildId: string; readonly attempt: number; readonly weight: number }[];
  /**
   * The host's caches, by cache key; repos that are cold there are missing. The map stays current: usages that this process reads later
   * show here too.
   */
  readonly caches: ReadonlyMap<string, HostCache>;
  /** The inventory published last, if any. */
  readonly inventory?: PublishedInventory;
  /** Identifies that inventory, also one of a newer version, which `inventory` lacks. */
  readonly inventoryDigest?: string;
}

export interface PublishedInventory extends HostInventory {
  /** ms since the epoch. */
  readonly readAt: number;
}

/** A decision that assigned a build, or left it waiting. */
export interface StoredDecision extends Omit<PlacementDecision, 'build'> {
  readonly attempt: number;
}

/** A batch of records from a live log. `lines[i]` is record `firstSeq + i` as stored: JSON without its id. */
export interface LogBatch {
  readonly firstSeq: number;
  readonly lines: readonly string[];
}
