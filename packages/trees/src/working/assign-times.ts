import type { ByteString } from '../merkle/byte-string.ts';
import { PathLookup } from './path-lookup.ts';
import { isSameEntry, type TimedEntry } from './timed-entry.ts';
import type { ListedEntry, Listing } from './tree-source.ts';

const NO_TIMES: ReadonlyMap<ByteString, bigint> = new Map();

/**
 * Gives entries their times: an entry that `ledger` has with the same content, mode and type keeps its time there; any other gets `nowNs`. So a time
 * goes forward whenever content changes, also when it changes back, because the ledger only has what was given last. A directory's content is all that is
 * below it.
 * @param sent times of directories and links that a client sent: of a new link, and of a new or changed directory, whose time nothing is compared with, because
 * BuildKit doesn't bring a directory's time up to date
 */
export function assignTimes(
  listing: Listing,
  ledger: readonly TimedEntry[],
  nowNs: bigint,
  sent: ReadonlyMap<ByteString, bigint> = NO_TIMES,
): readonly TimedEntry[] {
  const lookup = new PathLookup(ledger);
  return listing.map((entry) => {
    const given = lookup.get(entry.path);
    // The same object, so that later comparisons find at once that it is unchanged.
    if (given && isSameEntry(given, entry)) return given;
    const takesSent = entry.type === 'directory' || (entry.type === 'symlink' && !given);
    return { ...entry, mtimeNs: (takesSent ? sent.get(entry.path) : undefined) ?? nowNs };
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
