import { PathLookup } from './path-lookup.ts';
import { isSameTimed, type TimedEntry } from './timed-entry.ts';

/** Entries to replace others with: from the position `at` of the old ones, `removed` of them. */
export interface Splice {
  readonly at: number;
  readonly removed: number;
  readonly added: readonly TimedEntry[];
}

/** Returns what makes `before` into `after`, in order; undefined if they are in no common order, or more than `maxAdded` entries differ. */
export function splicesOf(
  before: readonly TimedEntry[],
  after: readonly TimedEntry[],
  maxAdded: number,
): readonly Splice[] | undefined {
  const lookup = new PathLookup(before);
  const splices: { at: number; removed: number; added: TimedEntry[] }[] = [];
  let next = 0;
  let total = 0;
  const replace = (removed: number, added: readonly TimedEntry[]) => {
    const last = splices.at(-1);
    if (last && last.at + last.removed === next) {
      last.removed += removed;
      last.added.push(...added);
    } else splices.push({ at: next, removed, added: [...added] });
    next += removed;
    total += added.length;
  };
  for (const entry of after) {
    const old = before[next];
    if (old && isSameTimed(old, entry)) {
      next += 1;
      continue;
    }
    // Most of what differs is there with other content, and needs no index.
    const at = old?.path === entry.path ? next : lookup.positionOf(entry.path);
    if (at !== undefined && at < next) return undefined;
    if (at !== undefined && at > next) replace(at - next, []);
    const found = at === undefined ? undefined : before[at];
    if (found && isSameTimed(found, entry)) next += 1;
    else replace(found ? 1 : 0, [entry]);
    if (total > maxAdded) return undefined;
  }
  if (next < before.length) replace(before.length - next, []);
  return splices;
}

/** @throws RangeError if the splices don't fit `before` */
export function spliced(before: readonly TimedEntry[], splices: readonly Splice[]): TimedEntry[] {
  const entries: TimedEntry[] = [];
  let next = 0;
  for (const { at, removed, added } of splices) {
    if (!(at >= next && removed >= 0 && at + removed <= before.length))
      throw new RangeError(
        `got a splice of ${removed} entries at ${at}, expected one between ${next} and ${before.length}`,
      );
    for (; next < at; next += 1) entries.push(before[next] as TimedEntry);
    entries.push(...added);
    next = at + removed;
  }
  for (; next < before.length; next += 1) entries.push(before[next] as TimedEntry);
  return entries;
}
