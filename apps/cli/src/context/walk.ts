import { type BigIntStats, constants, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ByteString, byteString, joinBytes, shownBytes } from '@kiln/trees';
import type { ContextDirectory } from './context-tree.ts';
import { permissionsOf } from './file-state.ts';
import { type IgnoreMatch, matchIgnore, mayHaveExceptions } from './ignore-matcher.ts';
import type { IgnorePattern } from './ignore-pattern.ts';
import { type PackedEntries, PackedWriter } from './packed-entries.ts';
import { ContextChanged, cannotRead } from './read-errors.ts';
import { childPath, type SystemPath } from './system-path.ts';

export interface WalkedContext {
  readonly root: ContextDirectory;
  /** Paths of sockets, devices and pipes, which aren't sent, as text. */
  readonly skipped: readonly string[];
}

/** How long the walk may hold up everything else, such as Ctrl-C, ms. */
const TURN_MS = 50;
/** After so many entries the clock is looked at. */
const ENTRIES_PER_LOOK = 256;

/**
 * Lists the entries of the directory `root` to send. Paths in `always` are sent even if a pattern ignores them.
 * An ignored directory is listed only if something in it isn't ignored. What vanishes meanwhile is not there.
 *
 * Calls the file system synchronously: for many small calls that takes a fraction of the time. @throws UsageError for what can't be read
 */
export async function walkContext(
  root: string,
  patterns: readonly IgnorePattern[],
  always: ReadonlySet<string>,
): Promise<WalkedContext> {
  const kept = [...always].map(byteString);
  const skipped: string[] = [];
  const pause = pauses();

  /** One for each level: a directory is packed while the one above it is. */
  const writers: PackedWriter[] = [];

  async function visit(at: Place, stats: BigIntStats, parent?: IgnoreMatch, level = 0): Promise<Found | undefined> {
    const names = namesIn(at.system);
    if (!names) return undefined;
    writers[level] ??= new PackedWriter();
    const writer = writers[level];
    writer.clear();
    for (const name of names) {
      const due = pause();
      if (due) await due;
      const system = childPath(at.system, name);
      const found = statsOf(system);
      if (!found) continue;
      const type = Number(found.mode) & constants.S_IFMT;
      // Most contexts are mostly files, for which paths in the context are only needed by patterns.
      if (type === constants.S_IFREG && patterns.length === 0) {
        writer.addStats(name, found);
        continue;
      }
      const child = placeOf(at, name, system);
      const match = patterns.length > 0 ? matchIgnore(patterns, child.text, parent) : undefined;
      const ignored = match?.ignored === true && !kept.includes(child.path);
      if (type === constants.S_IFDIR) {
        if (ignored && !mayHaveExceptions(patterns, child.text) && !containsOneOf(child.path, kept)) continue;
        const below = await visit(child, found, match, level + 1);
        if (below && (!ignored || !below.isEmpty)) writer.addDirectory(below.directory);
      } else if (!ignored) addLeaf(writer, child, found, type, skipped);
    }
    const { isEmpty } = writer;
    return { directory: directoryNode(at, stats, writer.end(at.system)), isEmpty };
  }

  const stats = statsOf(root);
  const top = { name: '' as ByteString, path: '' as ByteString, text: '', system: root };
  const found = stats && (await visit(top, stats));
  if (!found) throw new ContextChanged(root);
  return { root: found.directory, skipped };
}

/** An entry while it is walked: its path in the context, as bytes and as text for patterns, and that of the file system. */
interface Place {
  readonly name: ByteString;
  readonly path: ByteString;
  readonly text: string;
  readonly system: SystemPath;
}

function placeOf(parent: Place, name: ByteString, system: SystemPath): Place {
  const path = joinBytes(parent.path, name);
  return { name, path, text: typeof system === 'string' ? path : shownBytes(path), system };
}

interface Found {
  readonly directory: ContextDirectory;
  readonly isEmpty: boolean;
}

function directoryNode({ name, path }: Place, stats: BigIntStats, packed: PackedEntries): ContextDirectory {
  return {
    type: 'directory',
    name,
    path,
    mode: permissionsOf(stats),
    mtimeNs: stats.mtimeNs,
    get children() {
      return packed.children();
    },
    packed,
    digest: undefined,
  };
}

/** Adds what is neither a directory nor ignored. */
function addLeaf(
  writer: PackedWriter,
  { name, system, text }: Place,
  stats: BigIntStats,
  type: number,
  skipped: string[],
): void {
  if (type === constants.S_IFREG) writer.addStats(name, stats);
  else if (type !== constants.S_IFLNK) skipped.push(text);
  else {
    const target = reading(system, () => readlinkSync(system as string, 'latin1') as ByteString);
    if (target !== undefined) writer.addLink(name, target, stats);
  }
}

/** Returns the names in the order of their bytes. */
function namesIn(directory: SystemPath): readonly ByteString[] | undefined {
  return reading(directory, () => (readdirSync(directory as string, { encoding: 'latin1' }) as ByteString[]).sort());
}

const AS_BIGINT = { bigint: true, throwIfNoEntry: false } as const;

function statsOf(path: SystemPath): BigIntStats | undefined {
  // Without a function for each call.
  try {
    return lstatSync(path as string, AS_BIGINT);
  } catch (error) {
    return absent(path, error);
  }
}

/** Returns undefined for what isn't there, or isn't any longer what it was. @throws UsageError for what can't be read */
function reading<T>(path: SystemPath, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    return absent(path, error);
  }
}

function absent(path: SystemPath, error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EINVAL') throw cannotRead(path, error);
}

/** Returns a function that returns a promise when it is time to let other work have its turn. */
function pauses(): () => Promise<void> | undefined {
  let entries = 0;
  let turnEnds = performance.now() + TURN_MS;
  return () => {
    entries += 1;
    if (entries % ENTRIES_PER_LOOK !== 0 || performance.now() < turnEnds) return undefined;
    return nextTurn().then(() => {
      turnEnds = performance.now() + TURN_MS;
    });
  };
}

function containsOneOf(directory: ByteString, paths: readonly ByteString[]): boolean {
  return paths.some((path) => path.startsWith(`${directory}/`));
}
