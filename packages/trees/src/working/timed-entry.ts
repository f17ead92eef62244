import type { ByteString } from '../merkle/byte-string.ts';
import type { ListedDirectory, ListedEntry, ListedFile, ListedSymlink } from './tree-source.ts';

interface Timed {
  /** Modification time, ns since the epoch. */
  readonly mtimeNs: bigint;
}

export type TimedEntry = (ListedFile & Timed) | (ListedDirectory & Timed) | (ListedSymlink & Timed);

/** Identifies what an entry is, apart from its path and time: equal texts mean equal entries, of directories with all that is in them. */
export function identityOf(entry: ListedEntry): string {
  switch (entry.type) {
    case 'file':
      return `f ${entry.mode} ${entry.contentId}`;
    case 'directory':
      return `d ${entry.mode} ${entry.contentId}`;
    case 'symlink':
      return `l ${entry.target}`;
  }
}

/** Whether two entries are the same, apart from their paths and times: as their `identityOf`, without making texts. */
export function isSameEntry(a: ListedEntry, b: ListedEntry): boolean {
  if (a === b) return true;
  if (a.type === 'symlink') return b.type === 'symlink' && a.target === b.target;
  return a.type === b.type && a.mode === b.mode && a.contentId === b.contentId;
}

export function isSameTimed(a: TimedEntry, b: TimedEntry): boolean {
  return a === b || (a.path === b.path && a.mtimeNs === b.mtimeNs && isSameEntry(a, b));
}

/** Returns the path of the directory that an entry is in; empty for the root. */
export function parentPath(path: ByteString): ByteString {
  return path.slice(0, Math.max(0, path.lastIndexOf('/'))) as ByteString;
}

/** Returns the latest time of the entries, or `from` if that is later. */
export function newestTime(entries: readonly TimedEntry[], from = 0n): bigint {
  let newest = from;
  for (const { mtimeNs } of entries) if (mtimeNs > newest) newest = mtimeNs;
  return newest;
}
