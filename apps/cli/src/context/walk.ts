import type { Stats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type IgnoreMatch, matchIgnore, mayHaveExceptions } from './ignore-matcher.ts';
import type { IgnorePattern } from './ignore-pattern.ts';

/** A file, directory or link to send. `path` is relative to the context, with `/`. Sizes in bytes, `mtimeMs` since the epoch. */
export interface ContextEntry {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly mode: number;
  readonly mtimeMs: number;
  readonly sizeBytes: number;
  readonly linkTarget?: string;
  /** The file that contains the bytes, if it isn't at `path` in the context. */
  readonly from?: string;
  /** The bytes, if they aren't in a file. */
  readonly content?: Uint8Array;
}

export interface ContextTree {
  /** In the order in which they are sent: directories before their contents, names sorted by their bytes. */
  readonly entries: readonly ContextEntry[];
  /** Paths of sockets, devices and pipes, which aren't sent. */
  readonly skipped: readonly string[];
}

/**
 * Lists the entries of `root` to send. Paths in `always` are sent even if a pattern ignores them.
 * An ignored directory is listed only if something in it isn't ignored. Throws the errors of the file system.
 */
export async function walkContext(
  root: string,
  patterns: readonly IgnorePattern[],
  always: ReadonlySet<string>,
): Promise<ContextTree> {
  const entries: ContextEntry[] = [];
  const skipped: string[] = [];

  async function visit(directory: string, parent: IgnoreMatch | undefined, pending: readonly ContextEntry[]) {
    // Ignored parent directories, which are listed as soon as something in them is.
    let waiting = pending;
    const names = await readdir(join(root, directory));
    for (const name of names.sort(byBytes)) {
      const path = directory === '' ? name : `${directory}/${name}`;
      const match = matchIgnore(patterns, path, parent);
      const ignored = match.ignored && !always.has(path);
      const stats = await lstat(join(root, path));
      if (stats.isDirectory()) {
        const entry = entryOf(path, 'directory', stats);
        if (!ignored) {
          entries.push(...waiting, entry);
          waiting = [];
          await visit(path, match, []);
        } else if (mayHaveExceptions(patterns, path) || containsOneOf(path, always)) {
          const before = entries.length;
          await visit(path, match, [...waiting, entry]);
          if (entries.length > before) waiting = [];
        }
        continue;
      }
      if (ignored) continue;
      const entry = await leafEntry(root, path, stats);
      if (!entry) skipped.push(path);
      else {
        entries.push(...waiting, entry);
        waiting = [];
      }
    }
  }

  await visit('', undefined, []);
  return { entries, skipped };
}

async function leafEntry(root: string, path: string, stats: Stats): Promise<ContextEntry | undefined> {
  if (stats.isFile()) return entryOf(path, 'file', stats);
  if (!stats.isSymbolicLink()) return undefined;
  return { ...entryOf(path, 'symlink', stats), linkTarget: await readlink(join(root, path)) };
}

/** Returns the entry of a file, with its permission bits and modification time. */
export function entryOf(path: string, type: ContextEntry['type'], stats: Stats): ContextEntry {
  return {
    path,
    type,
    mode: stats.mode & 0o7777,
    mtimeMs: stats.mtimeMs,
    sizeBytes: type === 'file' ? stats.size : 0,
  };
}

function containsOneOf(directory: string, paths: ReadonlySet<string>): boolean {
  return [...paths].some((path) => path.startsWith(`${directory}/`));
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
