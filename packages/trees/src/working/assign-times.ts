import { PathLookup } from './path-lookup.ts';
import { isSameEntry, type TimedEntry } from './timed-entry.ts';
import type { ListedEntry, Listing } from './tree-source.ts';

/**
 * Gives entries their times: an entry that `ledger` has with the same content, mode and type keeps its time there; any other gets `nowNs`. So a time
 * goes forward whenever content changes, also when it changes back, because the ledger only has what was given last. A directory's content is all that is
 * below it.
 */
export function assignTimes(listing: Listing, ledger: readonly TimedEntry[], nowNs: bigint): readonly TimedEntry[] {
  const lookup = new PathLookup(ledger);
  return listing.map((entry) => {
    const given = lookup.get(entry.path);
    // The same object, so that later comparisons find at once that it is unchanged.
    return given && isSameEntry(given, entry) ? given : { ...entry, mtimeNs: nowNs };
  });
}

/**
 * Returns what the next build may rely on of `given`. A build that runs beside this one with other content of a path may still write outputs into
 * cache mounts, with times after `given`'s: so the path isn't in the ledger, and gets a new time.
 */
export function settledEntries(
  given: readonly TimedEntry[],
  beside: readonly (readonly ListedEntry[])[],
): readonly TimedEntry[] {
  if (beside.length === 0) return given;
  const others = beside.map((entries) => new PathLookup(entries));
  return given.filter((entry) =>
    others.every((other) => {
      const found = other.get(entry.path);
      return found !== undefined && isSameEntry(found, entry);
    }),
  );
}
