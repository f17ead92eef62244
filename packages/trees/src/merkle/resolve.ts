import { type ByteString, joinBytes } from './byte-string.ts';
import { entriesOf } from './read-entries.ts';
import type { Digest, DirectoryNode, Entry } from './tree-entry.ts';

/** Linux's limit of links in a path. */
const MAX_HOPS = 40;
/** Most names that are looked up on the way, with those in the targets of links: looking one up may take reading a large directory. */
const MAX_LOOKUPS = 128;
/** Directories that are remembered, as a way may come back to them. More large ones than that don't fit into a tree. */
const MAX_REMEMBERED = 32;

/** Where a path leads in a tree, or why to nothing. */
export type TreeResolution =
  /** `path` has no links. */
  | { readonly type: 'found'; readonly path: ByteString; readonly entry: Exclude<Entry, { type: 'symlink' }> }
  | { readonly type: 'missing' }
  /** `link` is the symbolic link that leads out of the tree. */
  | { readonly type: 'outside'; readonly link: ByteString };

/**
 * Resolves `path`, relative to the tree's root, through links as a file system would; nothing outside of the tree is ever looked at. A cycle of links
 * is `missing`, like a way of more than 128 names. Reads only the directories on the way.
 * @param read returns a directory object by its digest @throws TreeFault @throws what `read` throws
 */
export async function resolveInTree(
  root: Digest,
  path: ByteString,
  read: (digest: Digest) => Promise<DirectoryNode>,
): Promise<TreeResolution> {
  if (path.startsWith('/')) return { type: 'missing' };
  const todo = path.split('/') as ByteString[];
  // From the root to where the path has led so far.
  const way: Exclude<Entry, { type: 'symlink' }>[] = [
    { type: 'directory', name: '' as ByteString, mode: 0o755, digest: root },
  ];
  // A path that climbs out itself is reported as the link.
  let link = path;
  let hops = 0;
  let lookups = 0;
  const entriesIn = remembering(async (digest) => await entriesOf(await read(digest), read));
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    const here = way.at(-1);
    // Also of `file/` and `file/.`.
    if (here?.type !== 'directory') return { type: 'missing' };
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (way.length === 1) return { type: 'outside', link };
      way.pop();
      continue;
    }
    lookups += 1;
    if (lookups > MAX_LOOKUPS) return { type: 'missing' };
    const found = (await entriesIn(here.digest)).find(({ name }) => name === part);
    if (!found) return { type: 'missing' };
    if (found.type !== 'symlink') {
      way.push(found);
      continue;
    }
    hops += 1;
    if (hops > MAX_HOPS) return { type: 'missing' };
    link = joinBytes(pathOf(way), found.name);
    if (found.target.startsWith('/')) return { type: 'outside', link };
    todo.unshift(...(found.target.split('/') as ByteString[]));
  }
  return { type: 'found', path: pathOf(way), entry: way.at(-1) as Exclude<Entry, { type: 'symlink' }> };
}

function remembering(
  read: (digest: Digest) => Promise<readonly Entry[]>,
): (digest: Digest) => Promise<readonly Entry[]> {
  const known = new Map<Digest, readonly Entry[]>();
  return async (digest) => {
    const entries = known.get(digest) ?? (await read(digest));
    if (known.size < MAX_REMEMBERED) known.set(digest, entries);
    return entries;
  };
}

function pathOf(way: readonly { readonly name: ByteString }[]): ByteString {
  return way
    .slice(1)
    .map(({ name }) => name)
    .join('/') as ByteString;
}
