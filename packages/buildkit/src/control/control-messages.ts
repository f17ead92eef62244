import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * The few messages of BuildKit's Control service that Kiln reads and writes, field by field as in moby/buildkit
 * api/services/control/control.proto and api/types/worker.proto. Unknown fields are passed over.
 */

/** One record of BuildKit's disk usage. Times in ms since the epoch. */
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
  /** Creation where it hasn't been used since. */
  readonly lastUsedAt: number;
  readonly parents: readonly string[];
}

/** One rule of BuildKit's garbage collection. `bytes`: what it lets stand of what it applies to; 0 where it has no such limit. */
export interface GcPolicy {
  readonly bytes: number;
  /** Whether it applies to all records, or to those that its filters pick. */
  readonly filtered: boolean;
}

/** How a build ended, as BuildKit keeps it. */
export interface BuildHistory {
  readonly completed: boolean;
  readonly failed: boolean;
  /** What its exporters said, as buildx writes it into its metadata file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Ended builds only. */
export function historyRequest(ref: string): Uint8Array {
  return new BinaryWriter().tag(2, WireType.LengthDelimited).string(ref).tag(3, WireType.Varint).bool(true).finish();
}

export function activeRequest(ref: string): Uint8Array {
  // BuildHistoryRequest: ActiveOnly 1, Ref 2, EarlyExit 3.
  const request = new BinaryWriter().tag(1, WireType.Varint).bool(true);
  return request.tag(2, WireType.LengthDelimited).string(ref).tag(3, WireType.Varint).bool(true).finish();
}

export function statusRequest(ref: string): Uint8Array {
  return new BinaryWriter().tag(1, WireType.LengthDelimited).string(ref).finish();
}

/** BuildHistoryEvent: type 1, record 2; BuildHistoryRecord: error 5, CompletedAt 7, ExporterResponse 9. */
export function buildHistory(event: Uint8Array): BuildHistory {
  let completed = false;
  let failed = false;
  const metadata: Record<string, string> = {};
  eachField(event, (field, reader) => {
    if (field !== 2) return false;
    eachField(reader.bytes(), (inner, record) => {
      if (inner === 5) failed = record.bytes().length > 0;
      else if (inner === 7) completed = record.bytes().length > 0;
      else if (inner === 9) Object.assign(metadata, mapEntry(record.bytes()));
      else return false;
      return true;
    });
    return true;
  });
  return { completed, failed, metadata };
}

function mapEntry(message: Uint8Array): Record<string, string> {
  let key = '';
  let value = '';
  eachField(message, (field, reader) => {
    if (field === 1) key = reader.string();
    else if (field === 2) value = reader.string();
    else return false;
    return true;
  });
  return { [key]: value };
}

/** DiskUsageRequest without filters, InfoRequest, ListWorkersRequest: no field, no byte. */
export const EMPTY_REQUEST = new Uint8Array();

/** @param filters any of them may fit, as `id==…` */
export function pruneRequest(filters: readonly string[]): Uint8Array {
  // PruneRequest: filter 1, all 2. Without `all`, what BuildKit keeps for itself or shares with images stays.
  const request = new BinaryWriter();
  for (const filter of filters) request.tag(1, WireType.LengthDelimited).string(filter);
  return request.tag(2, WireType.Varint).bool(true).finish();
}

/** Removes records, in the order of garbage collection, until all together take at most `bytes`. */
export function trimRequest(bytes: number): Uint8Array {
  // PruneRequest: all 2, keepBytes or, since BuildKit 0.17, reservedSpace 4, maxUsedSpace 5. Each version ignores the other's.
  const request = new BinaryWriter().tag(2, WireType.Varint).bool(true);
  return request.tag(4, WireType.Varint).int64(bytes).tag(5, WireType.Varint).int64(bytes).finish();
}

/** DiskUsageResponse: record 1. */
export function usageRecords(message: Uint8Array): UsageRecord[] {
  const records: UsageRecord[] = [];
  eachField(message, (field, reader) => {
    if (field !== 1) return false;
    records.push(usageRecord(reader.bytes()));
    return true;
  });
  return records;
}

export function usageRecord(message: Uint8Array): UsageRecord {
  const record = { id: '', type: '', description: '', bytes: 0, inUse: false, shared: false, createdAt: 0 };
  const parents: string[] = [];
  let lastUsedAt = 0;
  eachField(message, (field, reader) => {
    if (field === 1) record.id = reader.string();
    else if (field === 3) record.inUse = reader.bool();
    else if (field === 4) record.bytes = Math.max(0, Number(reader.int64()));
    else if (field === 5 || field === 12) parents.push(reader.string());
    else if (field === 6) record.createdAt = timestamp(reader.bytes());
    else if (field === 7) lastUsedAt = timestamp(reader.bytes());
    else if (field === 9) record.description = reader.string();
    else if (field === 10) record.type = reader.string();
    else if (field === 11) record.shared = reader.bool();
    else return false;
    return true;
  });
  return { ...record, lastUsedAt: Math.max(lastUsedAt, record.createdAt), parents: [...new Set(parents)] };
}

/** ListWorkersResponse: record 1; WorkerRecord: GCPolicy 4. */
export function gcPolicies(message: Uint8Array): GcPolicy[] {
  const policies: GcPolicy[] = [];
  eachField(message, (field, reader) => {
    if (field !== 1) return false;
    eachField(reader.bytes(), (inner, worker) => {
      if (inner !== 4) return false;
      policies.push(gcPolicy(worker.bytes()));
      return true;
    });
    return true;
  });
  return policies;
}

function gcPolicy(message: Uint8Array): GcPolicy {
  let bytes = 0;
  let filtered = false;
  eachField(message, (field, reader) => {
    // keepBytes, later called reservedSpace, 3; maxUsedSpace 5. What exceeds the larger one goes.
    if (field === 3 || field === 5) bytes = Math.max(bytes, Number(reader.int64()));
    else if (field === 4) filtered = reader.string() !== '' || filtered;
    else return false;
    return true;
  });
  return { bytes, filtered };
}

/** google.protobuf.Timestamp: seconds 1, nanos 2. */
export function timestamp(message: Uint8Array): number {
  let ms = 0;
  eachField(message, (field, reader) => {
    if (field === 1) ms += Number(reader.int64()) * 1000;
    else if (field === 2) ms += Math.floor(reader.int32() / 1e6);
    else return false;
    return true;
  });
  return Math.max(0, ms);
}

/** `read` says whether it has read the field. */
export function eachField(message: Uint8Array, read: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (!read(field, reader)) reader.skip(type, field);
  }
}
