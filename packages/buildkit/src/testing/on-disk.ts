import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type ByteString, digestOf, fromBytes, joinBytes, type TimedEntry, toBytes } from '@kiln/trees';

/** What is on the disk at a path, as text that can be compared. */
export type OnDisk = Record<string, string>;

/** Reads everything below a directory, without following links. */
export async function onDisk(root: string): Promise<OnDisk> {
  const found: OnDisk = {};
  const visit = async (path: ByteString): Promise<void> => {
    const at = Buffer.concat([Buffer.from(`${root}/`), toBytes(path)]);
    for (const raw of await readdir(at, { encoding: 'buffer' })) {
      const child = joinBytes(path, fromBytes(raw));
      const full = Buffer.concat([Buffer.from(`${root}/`), toBytes(child)]);
      const stats = await lstat(full, { bigint: true });
      const { mode, mtimeNs } = stats;
      const bits = Number(mode & 0o7777n);
      if (stats.isSymbolicLink()) {
        const target = fromBytes(await readlink(full, { encoding: 'buffer' }));
        found[child] = text('symlink', 0, mtimeNs, target);
      } else if (stats.isDirectory()) {
        found[child] = text('directory', bits, mtimeNs, '');
        await visit(child);
      } else found[child] = text('file', bits, mtimeNs, digestOf(await readFile(full)));
    }
  };
  await visit('' as ByteString);
  return found;
}

/** Returns what `onDisk` has to find for entries. */
export function expectedOnDisk(entries: readonly TimedEntry[]): OnDisk {
  const lines = entries.map((entry): [string, string] => [entry.path, lineOf(entry)]);
  return Object.fromEntries(lines);
}

function lineOf(entry: TimedEntry): string {
  switch (entry.type) {
    case 'symlink':
      return text('symlink', 0, entry.mtimeNs, entry.target);
    case 'directory':
      return text('directory', entry.mode, entry.mtimeNs, '');
    case 'file':
      return text('file', entry.mode, entry.mtimeNs, entry.contentId);
  }
}

function text(type: string, mode: number, mtimeNs: bigint, content: string): string {
  return `${type} ${mode.toString(8)} ${mtimeNs} ${content}`;
}

/** Directories of a builder's working trees. */
export async function treesIn(scratchDir: string): Promise<string[]> {
  const trees = join(scratchDir, 'trees');
  const found: string[] = [];
  for (const domain of await readdir(trees))
    for (const repo of await readdir(join(trees, domain, 'repos')).catch(() => []))
      for (const number of await readdir(join(trees, domain, 'repos', repo)))
        found.push(join(trees, domain, 'repos', repo, number));
  return found.sort();
}
