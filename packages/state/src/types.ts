import type { BuildSpec, HostInventory, HostReport } from '@kiln/contracts';
import type { BuildRecord, BuildState, Granted, HostCache, PlacementDecision, Trust } from '@kiln/domain';
import type { HostOrders } from './hosts/desired.ts';

/** A build as it is stored: its life and its request. */
export interface StoredBuild {
  readonly record: BuildRecord;
  readonly spec: BuildSpec;
  /** Of an ended build that has moved to the blob store. */
  readonly archived?: ArchivedBuild;
}

/** Where a build's document lies: a gzip member of a blob. */
export interface HistoryPlace {
  /** Key of the blob. */
  readonly blob: string;
  /** First byte, and how many there are. */
  readonly start: number;
  readonly bytes: number;
}

export interface ArchivedBuild extends HistoryPlace {
  /** Record and request are here without their long parts: the document has them whole. */
  readonly isCut: boolean;
}

/**
 * Who chooses idempotency keys: callers of the API, or Kiln itself for schedules and webhooks. Each has a space of its own, so
 * that no caller can name the key of a scheduled run or of a webhook's build.
 */
export type KeySpace = 'request' | 'schedule' | 'hook';

/** A key repeats a build only within its space, team and trust class. */
export interface Idempotency {
  readonly space: KeySpace;
  readonly key: string;
  /** What the request was, so that a key used for another request is refused. */
  readonly fingerprint: string;
}

export interface NewBuild {
  readonly repo: string;
  readonly spec: BuildSpec;
  /** Values by id, in the clear; sealed before they reach Redis. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly retryOf?: string;
  /** Default: trusted. */
  readonly trust?: Trust;
  /** Principal whose own limits hold for it, too, beside its team's. */
  readonly submitter?: string | undefined;
  /** Most builds that may wait, this one included; absent: any number. */
  readonly maxQueued?: { readonly team?: number | undefined; readonly token?: number | undefined };
  /** Most bytes of an attempt's log. */
  readonly maxLogBytes?: number | undefined;
  /** Most bytes of its artifact, and of all that its team has stored. */
  readonly maxArtifactBytes?: number | undefined;
  readonly maxStoredBytes?: number | undefined;
  /** What rules let it have though it is untrusted; without, nothing. */
  readonly granted?: Granted;
  readonly idempotency?: Idempotency;
}

export interface BuildFilter {
  readonly repo?: string | undefined;
  readonly state?: BuildState | undefined;
  readonly team?: string | undefined;
}

export interface BuildPageRequest {
  /** At most so many builds. */
  readonly limit: number;
  /** Id of the last build of the page before. */
  readonly cursor?: string | undefined;
}

export interface HostState {
  /** What counts: the worker's report, with the operators' slots and labels over it. */
  readonly report: HostReport;
  /** The worker's own. */
  readonly reported: Pick<HostReport, 'slots' | 'labels'>;
  readonly orders: HostOrders;
  readonly machine: string;
  readonly incarnation: string;
  /** Also while it drains. */
  readonly cordoned: boolean;
  /** By an operator's order; `report.accepting` tells whether its worker is about to leave. */
  readonly draining: boolean;
  /** Whether its lease holds. */
  readonly alive: boolean;
  /** The one isolation domain that it serves, by its report, or by the builds that it was given before it could say so. */
  readonly serves?: string;
  /** Whether its worker ended in order: it is kept for its settings' sake. */
  readonly left: boolean;
  /** ms since the epoch. */
  readonly lastSeenAt: number;
  /** Redis' server process that took its last report. */
  readonly serverRun?: string;
  /** How long its reports keep the lease, ms. */
  readonly leaseTtlMs?: number;
  /** Builds of which it runs an attempt that isn't its own by the records: it stops them, and until then nobody else may begin. */
  readonly stale?: readonly string[];
  readonly held: readonly { readonly buildId: string; readonly attempt: number; readonly weight: number }[];
  /**
   * What the host holds, by cache key; a repo that is cold there is missing. Stays current: what this process learns of repos'
   * usage when it reads any host shows here too.
   */
  readonly caches: ReadonlyMap<string, HostCache>;
  /** As published last; absent before the first time. */
  readonly inventory?: PublishedInventory;
}

export interface PublishedInventory extends HostInventory {
  /** ms since the epoch. */
  readonly readAt: number;
}

/** A decision as it was carried out, or as it left the build waiting. */
export interface StoredDecision extends Omit<PlacementDecision, 'build'> {
  readonly attempt: number;
}

/** A batch of records out of a live log. `lines[i]` is the record of seq `firstSeq + i`, as stored: JSON without its id. */
export interface LogBatch {
  readonly firstSeq: number;
  readonly lines: readonly string[];
}
