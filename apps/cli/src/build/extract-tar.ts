import { createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, rm, symlink, utimes } from 'node:fs/promises';
import { dirname, join, posix, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Extract, extract } from 'tar-stream';
import { UsageError } from '../io/errors.ts';

type Entry = Extract extends AsyncIterable<infer E> ? E : never;

/**
 * Unpacks a tar below `root`, over what is there. The tar comes from a build, so it isn't trusted: nothing is written
 * outside of `root`, not through a link either. Throws `UsageError` at an entry that tries.
 */
export async function extractTar(bytes: AsyncIterable<Uint8Array>, root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  const tar = extract();
  const feeding = pipeline(Readable.from(bytes), tar);
  // The loop below meets the same error; this keeps it from counting as unhandled before it does.
  feeding.catch(() => {});
  const late: (() => Promise<void>)[] = [];
  for await (const entry of tar) {
    const finish = await writeEntry(entry, root);
    if (finish) late.push(finish);
    entry.resume();
  }
  await feeding;
  // Directories last and from the inside out: a mode without w would keep their own files out.
  for (const finish of late.reverse()) await finish();
}

async function writeEntry(entry: Entry, root: string): Promise<(() => Promise<void>) | undefined> {
  const { type, mode = 0o644, mtime, linkname } = entry.header;
  const parts = safeParts(entry.header.name);
  if (parts.length === 0) return undefined;
  const path = join(root, ...parts);
  await demandRealParents(root, parts);
  switch (type) {
    case 'directory': {
      const there = await lstat(path).catch(() => undefined);
      if (there && !there.isDirectory()) await rm(path, { force: true });
      await mkdir(path, { recursive: true });
      return () => stamp(path, mode, mtime);
    }
    case 'file':
    case 'contiguous-file':
      await rm(path, { force: true, recursive: true });
      await pipeline(entry, createWriteStream(path, { flags: 'wx' }));
      await stamp(path, mode, mtime);
      return undefined;
    case 'symlink':
      await rm(path, { force: true, recursive: true });
      await symlink(linkname ?? '', path);
      return undefined;
    default:
      throw new UsageError(`the artifact has ${entry.header.name}, a ${type}, which can't be unpacked: take type=tar`);
  }
}

async function stamp(path: string, mode: number, mtime: Date | undefined): Promise<void> {
  await chmod(path, mode & 0o777);
  if (mtime) await utimes(path, mtime, mtime);
}

function safeParts(name: string): string[] {
  const clean = posix.normalize(name).replace(/\/$/, '');
  const parts = clean.split('/').filter((part) => part !== '.');
  if (posix.isAbsolute(clean) || parts.includes('..') || parts.some((part) => part.includes(sep))) {
    throw new UsageError(`the artifact has ${JSON.stringify(name)}, which leads out of the directory`);
  }
  return parts.filter((part) => part !== '');
}

async function demandRealParents(root: string, parts: readonly string[]): Promise<void> {
  let at = root;
  for (const part of parts.slice(0, -1)) {
    at = join(at, part);
    const stats = await lstat(at).catch(() => undefined);
    if (!stats) await mkdir(at);
    else if (!stats.isDirectory()) {
      throw new UsageError(`the artifact would be written through ${at}, which isn't a directory of its own`);
    }
  }
  await mkdir(dirname(join(root, ...parts)), { recursive: true });
}
