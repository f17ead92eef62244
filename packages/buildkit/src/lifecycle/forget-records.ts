import type { BuilderFault } from '@kiln/domain';
import type { BuildkitControl } from '../control/buildkit-control.ts';
import type { UsageRecord } from '../control/control-messages.ts';

const MOUNT = 'exec.cachemount';
const SOURCES: ReadonlySet<string> = new Set(['source.local', 'source.git.checkout', 'frontend']);
/** What is left of unused caches if the disk is full. */
const KEPT_IF_FULL = 0.5;

/**
 * Removes what a fault shows to be damaged from BuildKit's records, with everything made from it, and what it was made from: there is one more try, and
 * what damaged a layer has often damaged those beneath it. BuildKit keeps layers that others are made from. If it isn't known which records are damaged, removes
 * all layers and sources that no build is using; cache mounts stay. With a full disk, half of the caches go, least recently used ones first.
 * @returns how many records were removed
 * @throws BuildkitError
 */
export async function forgetRecords(control: BuildkitControl, fault: BuilderFault): Promise<number> {
  const records = await control.diskUsage();
  if (fault.state === 'disk_full') {
    const usedBytes = records.filter(({ shared }) => !shared).reduce((sum, { bytes }) => sum + bytes, 0);
    return (await control.trim(usedBytes * KEPT_IF_FULL)).length;
  }
  const removed = await control.prune(suspects(records, fault));
  if (removed.length > 0 || fault.records === undefined) return removed.length;
  return (await control.prune(suspects(records, { ...fault, records: [] }))).length;
}

/** Returns the ids of the records to remove. */
export function suspects(
  records: readonly UsageRecord[],
  { records: named = [], step }: Pick<BuilderFault, 'records' | 'step'>,
): string[] {
  const known = new Set(records.filter(({ id }) => named.includes(id)).map(({ id }) => id));
  if (known.size > 0) return [...new Set([...withDescendants(records, known), ...ancestors(records, known)])];
  const onlySources = step?.startsWith('[internal] load ') ?? false;
  const isSuspect = ({ type }: UsageRecord) => (onlySources ? SOURCES.has(type) : type !== MOUNT);
  return records.filter((record) => isSuspect(record) && !record.inUse).map(({ id }) => id);
}

function withDescendants(records: readonly UsageRecord[], ids: ReadonlySet<string>): Set<string> {
  const found = new Set(ids);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const { id, parents } of records) if (parents.some((parent) => found.has(parent))) found.add(id);
  }
  return found;
}

function ancestors(records: readonly UsageRecord[], ids: ReadonlySet<string>): Set<string> {
  const parentsOf = new Map(records.map(({ id, parents }) => [id, parents]));
  const found = new Set<string>();
  const rest = [...ids];
  for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
    for (const parent of parentsOf.get(id) ?? []) {
      if (ids.has(parent) || found.has(parent)) continue;
      found.add(parent);
      rest.push(parent);
    }
  }
  return found;
}
