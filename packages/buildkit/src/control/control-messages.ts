import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type {
  BuildHistoryEvent,
  BuildHistoryRequestSchema,
  ListWorkersResponse,
  UsageRecord as PbUsageRecord,
  PruneRequestSchema,
} from './generated/moby/buildkit/v1/control_pb.ts';

/** A record of BuildKit's disk usage. Times in ms since the epoch. */
export interface UsageRecord {
  readonly id: string;
  /** `regular` (a layer), `exec.cachemount`, `source.local`, `source.git.checkout`, `frontend`, `internal`. */
  readonly type: string;
  readonly description: string;
  readonly bytes: number;
  readonly inUse: boolean;
  /** Whether an image shares it: garbage collection neither counts nor frees it. */
  readonly shared: boolean;
  readonly createdAt: number;
  /** The creation, if it hasn't been used since. */
  readonly lastUsedAt: number;
  readonly parents: readonly string[];
}

/** A policy of BuildKit's garbage collection. */
export interface GcPolicy {
  /** Limit of the records to which it applies; 0 for none. */
  readonly bytes: number;
  /** Whether it applies only to records that match its filters. */
  readonly filtered: boolean;
}

/** How a build ended, from BuildKit's history. */
export interface BuildHistory {
  readonly completed: boolean;
  readonly failed: boolean;
  /** The exporters' response, which buildx writes into its metadata file. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What BuildKit recorded of how the results were made, one or more for each platform. */
  readonly attestations: readonly { readonly digest: string; readonly bytes: number }[];
}

/** Requests the build with this ref if it is active. */
export function activeRequest(ref: string): MessageInitShape<typeof BuildHistoryRequestSchema> {
  return { activeOnly: true, ref, earlyExit: true };
}

/** Requests the build with this ref if it has ended. */
export function historyRequest(ref: string): MessageInitShape<typeof BuildHistoryRequestSchema> {
  return { ref, earlyExit: true };
}

/** Requests the removal of the records with these ids. */
export function pruneRequest(ids: readonly string[]): MessageInitShape<typeof PruneRequestSchema> {
  // Without `all`, records that BuildKit keeps for itself or shares with images would stay.
  return { filter: ids.map((id) => `id==${id}`), all: true };
}

/** Requests the removal of records, in the order of garbage collection, until all together take at most `bytes`. */
export function trimRequest(bytes: number): MessageInitShape<typeof PruneRequestSchema> {
  // Before BuildKit 0.17, `reservedSpace` was `keepBytes`, the limit, and there was no `maxUsedSpace`.
  return { all: true, reservedSpace: BigInt(bytes), maxUsedSpace: BigInt(bytes) };
}

export function usageRecord(record: PbUsageRecord): UsageRecord {
  const createdAt = msOf(record.createdAt);
  return {
    id: record.id,
    type: record.recordType,
    description: record.description,
    bytes: Math.max(0, Number(record.size)),
    inUse: record.inUse,
    shared: record.shared,
    createdAt,
    lastUsedAt: Math.max(msOf(record.lastUsedAt), createdAt),
    parents: [...new Set([...(record.parent === '' ? [] : [record.parent]), ...record.parents])],
  };
}

export function buildHistory({ record }: BuildHistoryEvent): BuildHistory {
  const { error, completedAt, exporterResponse = {}, result, results = {} } = record ?? {};
  const all = [...(result ? [result] : []), ...Object.values(results)].flatMap(({ attestations }) => attestations);
  return {
    completed: msOf(completedAt) > 0,
    failed: error !== undefined && (error.code !== 0 || error.message !== ''),
    metadata: exporterResponse,
    attestations: all.map(({ digest, size }) => ({ digest, bytes: Number(size) })),
  };
}

export function gcPolicies({ record }: ListWorkersResponse): GcPolicy[] {
  return record.flatMap(({ gcPolicy }) =>
    gcPolicy.map(({ reservedSpace, maxUsedSpace, filters }) => ({
      // Records beyond the larger one are removed.
      bytes: Math.max(0, Number(reservedSpace), Number(maxUsedSpace)),
      filtered: filters.some((filter) => filter !== ''),
    })),
  );
}

/** Returns ms since the epoch, rounded down; 0 for an absent time and for Go's zero time. */
export function msOf(time: Timestamp | undefined): number {
  return time === undefined ? 0 : Math.max(0, Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6));
}
