import { mkdir, open, opendir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BlobInfo } from '../blob-store.ts';

/** Entries per read of a directory. */
const ENTRIES_AT_A_TIME = 256;
/** Files that are looked at together: few enough for a disk that serves others meanwhile. */
const STATS_AT_ONCE = 16;

/** Handles an error of a call on a file that may not exist: then the result is undefined. */
export function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}

/** The state of a file; undefined if there is none, or if it isn't a regular one. */
export async function infoOf(path: string): Promise<BlobInfo | undefined> {
  const found = await stat(path).catch(unlessGone);
  return found?.isFile() ? { sizeBytes: found.size, usedAt: found.mtimeMs } : undefined;
}

/** Files below a directory, unordered; none if it doesn't exist. */
export async function* filesBelow(path: string): AsyncGenerator<{ readonly path: string; readonly info: BlobInfo }> {
  const dir = await opendir(path, { bufferSize: ENTRIES_AT_A_TIME }).catch(unlessGone);
  let files: string[] = [];
  for await (const entry of dir ?? []) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) yield* filesBelow(below);
    else if (entry.isFile()) files.push(below);
    if (files.length < STATS_AT_ONCE) continue;
    yield* withInfo(files);
    files = [];
  }
  yield* withInfo(files);
}

async function* withInfo(paths: readonly string[]) {
  for (const found of await Promise.all(paths.map(async (path) => ({ path, info: await infoOf(path) })))) {
    if (found.info) yield { path: found.path, info: found.info };
  }
}

/** Makes a directory and those above it; their names are durable on return. */
export async function makeDir(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await sync(dirname(made));
}

/** Makes a file's content durable, or the names in a directory. */
export async function sync(path: string): Promise<void> {
  await using file = await open(path);
  await file.sync();
}
