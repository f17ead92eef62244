import type { LayerRecord, MountRecord } from '@kiln/domain';
import type { UsageRecord } from './control-messages.ts';
import { isKept } from './kept-records.ts';

/** A cache mount, from BuildKit's disk usage. */
export interface CacheMount extends MountRecord {
  /** Ids of its records: several if builds with `sharing=private` ran concurrently. */
  readonly records: readonly string[];
}

/** What a builder's BuildKit actually stores. Times in ms since the epoch. */
export interface BuilderInventory {
  readonly readAt: number;
  /** Whether mounts may be larger than their `bytes`: with the engine's classic image store each is measured only once. */
  readonly sizesAreFloors: boolean;
  /** Counts against the budget: everything that isn't shared with images. */
  readonly usedBytes: number;
  readonly mounts: readonly CacheMount[];
  readonly layers: readonly LayerRecord[];
}

const MOUNT = 'exec.cachemount';
const LAYER = 'regular';

/** Makes a builder's inventories from its disk usage. */
export class InventoryReader {
  readonly #sizesAreFloors: boolean;
  /** Last known size by record: BuildKit reports 0 for a mount that a build is using. */
  #sizes: ReadonlyMap<string, number> = new Map();

  constructor(sizesAreFloors: boolean) {
    this.#sizesAreFloors = sizesAreFloors;
  }

  /** @param readAt ms since the epoch */
  read(records: readonly UsageRecord[], readAt: number): BuilderInventory {
    const mounts = records.filter(({ type }) => type === MOUNT).map((record) => this.#measured(record));
    this.#sizes = new Map(mounts.map(({ id, bytes }) => [id, bytes]));
    const layers = records.filter((record) => record.type === LAYER && !isKept(record));
    return {
      readAt,
      sizesAreFloors: this.#sizesAreFloors,
      usedBytes: sum(records.filter(({ type, shared }) => type !== MOUNT && !shared)) + sum(mounts),
      mounts: [...Map.groupBy(mounts, mountId)].map(([id, same]) => mountOf(id, same)),
      layers: layers.map(({ id, bytes, lastUsedAt, parents }) => ({ id, bytes, lastUsedAt, parents })),
    };
  }

  #measured(record: UsageRecord): UsageRecord {
    return record.inUse ? { ...record, bytes: Math.max(record.bytes, this.#sizes.get(record.id) ?? 0) } : record;
  }
}

function mountOf(id: string, records: readonly UsageRecord[]): CacheMount {
  return {
    id,
    bytes: sum(records),
    lastUsedAt: Math.max(...records.map(({ lastUsedAt }) => lastUsedAt)),
    inUse: records.some(({ inUse }) => inUse),
    records: records.map((record) => record.id),
  };
}

/**
 * Parses a mount's id from its description, the only place where BuildKit has it (solver/llbsolver/mounts): `cached mount TARGET from
 * COMMAND with id "NAMESPACE/ID"`, quoted like a Go string; without the last part if id and target are the same.
 */
export function mountId({ description }: { readonly description: string }): string {
  const quoted = / with id ("(?:[^"\\]|\\.)*")$/s.exec(description)?.[1];
  if (quoted === undefined) return /^cached mount (\S+)/.exec(description)?.[1] ?? description;
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted.slice(1, -1);
  }
}

function sum(records: readonly { readonly bytes: number }[]): number {
  return records.reduce((total, { bytes }) => total + bytes, 0);
}
