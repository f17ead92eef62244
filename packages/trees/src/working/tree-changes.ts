import type { ByteString } from '../merkle/byte-string.ts';
import { PathLookup } from './path-lookup.ts';
import { parentPath, type TimedEntry } from './timed-entry.ts';

/** What makes one tree on a disk into another. */
export interface TreeChanges {
  /** Directories that their owner must first be allowed to change, parents first. */
  readonly loosened: readonly ByteString[];
  /** Entries to remove, with all that is in them. */
  readonly removed: readonly ByteString[];
  /** Files of which only the mode changes, by mode. */
  readonly modes: ReadonlyMap<number, readonly ByteString[]>;
  /** Files and links of which only the time changes, by time. */
  readonly times: ReadonlyMap<bigint, readonly ByteString[]>;
  /** New files and links, and those with other content; directories that are new, or whose mode or time must be set. In the order of the tree. */
  readonly written: readonly TimedEntry[];
  /** The files among them that are new or get other content. */
  readonly renewed: readonly ListedTimedFile[];
}

type ListedTimedFile = Extract<TimedEntry, { readonly type: 'file' }>;

/** Each time costs a process; with more, files are written again. */
const MAX_TIMES = 32;
const USER_ALL = 0o700;

/** Compares two trees. @param before what is on the disk @param after what has to be there; both in the order of a `Listing` */
export function treeChanges(before: readonly TimedEntry[], after: readonly TimedEntry[]): TreeChanges {
  const old = new PathLookup(before);
  const changed: (readonly [TimedEntry, Change])[] = [];
  /** How many of the entries before are there after. */
  let kept = 0;
  for (const entry of after) {
    const found = old.get(entry.path);
    if (found) kept += 1;
    const change = found === entry ? undefined : changeOf(found, entry);
    if (change && change.kind !== 'none') changed.push([entry, change]);
  }
  const retimed = changed.filter(([{ type }, { kind, time }]) => kind === 'stamp' && time && type !== 'directory');
  const rewrites = new Set(retimed.map(([{ mtimeNs }]) => mtimeNs)).size > MAX_TIMES;
  const write = new Set<ByteString>();
  const renewed: ListedTimedFile[] = [];
  const modes = new Map<number, ByteString[]>();
  const times = new Map<bigint, ByteString[]>();
  /** Directories whose time a change in them moves, and those that have to be passed through. */
  const touched = new Set<ByteString>();
  const reached = new Set<ByteString>();
  const removed: ByteString[] = [];
  for (const [entry, { kind, mode, time, replaces }] of changed) {
    const { path } = entry;
    if (replaces) removed.push(path);
    reached.add(parentPath(path));
    const isDirectory = entry.type === 'directory';
    if (kind === 'write' || isDirectory || (time && rewrites)) {
      write.add(path);
      if (kind === 'write' || !isDirectory) touched.add(parentPath(path));
      if (kind === 'write' && entry.type === 'file') renewed.push(entry);
      continue;
    }
    if (mode && entry.type === 'file') add(modes, entry.mode, path);
    if (time) add(times, entry.mtimeNs, path);
  }
  const there = kept === before.length ? undefined : new Set(after.map(({ path }) => path));
  if (there) {
    const replaced = new Set(removed);
    let gone: ByteString | undefined;
    for (const { path } of before) {
      if (gone !== undefined && path.startsWith(`${gone}/`)) continue;
      const isReplaced = replaced.has(path);
      if (there.has(path) && !isReplaced) continue;
      gone = path;
      if (isReplaced) continue;
      removed.push(path);
      touched.add(parentPath(path));
    }
  }
  const loosened = tooStrict(before, [...touched, ...reached], removed);
  // Both what is changed in a directory and a mode that was loosened have to be made good on the directory itself.
  for (const path of [...touched, ...loosened]) write.add(path);
  return { loosened, removed, modes, times, written: after.filter(({ path }) => write.has(path)), renewed };
}

export function isUnchanged({ loosened, removed, modes, times, written }: TreeChanges): boolean {
  return [loosened, removed, written].every((all) => all.length === 0) && modes.size === 0 && times.size === 0;
}

interface Change {
  readonly kind: 'none' | 'stamp' | 'write';
  readonly mode: boolean;
  readonly time: boolean;
  /** Whether something of another type has to go first. */
  readonly replaces: boolean;
}

function changeOf(old: TimedEntry | undefined, entry: TimedEntry): Change {
  const none = { mode: false, time: false, replaces: false };
  if (!old) return { ...none, kind: 'write' };
  if (old.type !== entry.type) return { ...none, kind: 'write', replaces: true };
  const time = old.mtimeNs !== entry.mtimeNs;
  if (old.type === 'symlink' && entry.type === 'symlink')
    return { ...none, time, kind: old.target === entry.target ? stampIf(time) : 'write' };
  if (old.type === 'directory' && entry.type === 'directory')
    return { ...none, time, kind: stampIf(time || old.mode !== entry.mode) };
  if (old.type !== 'file' || entry.type !== 'file') throw new TypeError('two types of one entry');
  const mode = old.mode !== entry.mode;
  if (old.contentId === entry.contentId) return { ...none, mode, time, kind: stampIf(mode || time) };
  return { ...none, mode, time, kind: 'write' };
}

function stampIf(differs: boolean): 'stamp' | 'none' {
  return differs ? 'stamp' : 'none';
}

/** Returns directories without all of their owner's rights that are in the way of a change, or are removed with what is in them. */
function tooStrict(
  before: readonly TimedEntry[],
  reached: readonly ByteString[],
  removed: readonly ByteString[],
): ByteString[] {
  const strict = before.filter((entry) => entry.type === 'directory' && (entry.mode & USER_ALL) !== USER_ALL);
  if (strict.length === 0) return [];
  const onTheWay = new Set<string>();
  for (const path of reached) for (let at = path; at !== '' && !onTheWay.has(at); at = parentPath(at)) onTheWay.add(at);
  const gone = new Set<string>(removed);
  const isGone = (path: ByteString): boolean => path !== '' && (gone.has(path) || isGone(parentPath(path)));
  return strict.map(({ path }) => path).filter((path) => onTheWay.has(path) || isGone(path));
}

function add<K>(groups: Map<K, ByteString[]>, key: K, path: ByteString): void {
  const group = groups.get(key);
  if (group) group.push(path);
  else groups.set(key, [path]);
}
