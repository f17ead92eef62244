import type { FileChange, FileChanges, TracedContext } from '@kiln/domain';
import { type ByteString, joinBytes, shownBytes } from '../merkle/byte-string.ts';
import { entriesOf } from '../merkle/read-entries.ts';
import type { Digest, DirectoryNode, Entry } from '../merkle/tree-entry.ts';
import { TreePartMissing } from '../merkle/tree-reader.ts';

/** More differences than that are not listed, and directories beyond that aren't read. */
const MAX_CHANGES = 20_000;
const MAX_DIRECTORIES = 5_000;

/** Reads a directory object. @throws TreePartMissing */
type ReadDirectory = (digest: Digest) => Promise<DirectoryNode>;

/** Finds what differs between the contexts of two builds. @throws what `directory` throws, except for TreePartMissing */
export async function compareContexts(
  directory: ReadDirectory,
  before: TracedContext | undefined,
  now: TracedContext | undefined,
): Promise<FileChanges> {
  if (!before || !now) return { state: 'unknown', why: 'not_recorded' };
  if (before.type === 'tree' && now.type === 'tree') {
    if (before.id === now.id) return { state: 'same' };
    return compareTrees(directory, before.id as Digest, now.id as Digest);
  }
  if (before.type !== 'git' || now.type !== 'git') return { state: 'unknown', why: 'other_source' };
  if (before.commit === now.commit && before.subdir === now.subdir) return { state: 'same' };
  if (!before.entries || !now.entries) return { state: 'unknown', why: 'not_recorded' };
  return compareEntries(before.entries, now.entries);
}

/** Compares two lists of entries. A directory whose files aren't in both lists stands for them. */
function compareEntries(
  before: readonly (readonly [string, string])[],
  now: readonly (readonly [string, string])[],
): FileChanges {
  const olds = new Map(before);
  const news = new Map(now);
  const parents = (paths: Iterable<string>) =>
    new Set([...paths].map((path) => path.slice(0, path.replace(/\/$/, '').lastIndexOf('/') + 1)));
  const [full, oldFull] = [parents(news.keys()), parents(olds.keys())];
  const changes: FileChange[] = [];
  const note = (path: string, change: FileChange['change'], isListed: boolean) => {
    if (!path.endsWith('/')) changes.push({ path, change });
    else if (!isListed) changes.push({ path: path.slice(0, -1), change, within: true });
  };
  for (const [path, digest] of news) {
    const old = olds.get(path);
    if (old === digest) continue;
    if (old === undefined) note(path, 'added', full.has(path));
    else note(path, 'changed', full.has(path) && oldFull.has(path));
  }
  for (const path of olds.keys()) if (!news.has(path)) note(path, 'removed', oldFull.has(path));
  const hidden = changes.filter(({ within }) => within).map(({ path }) => `${path}/`);
  // What one list has in a directory that the other doesn't open is neither added nor removed.
  const certain = changes.filter(({ path, within }) => within || !hidden.some((at) => path.startsWith(at)));
  return certain.length === 0 ? { state: 'same' } : { state: 'differ', changes: certain };
}

async function compareTrees(readDirectory: ReadDirectory, before: Digest, now: Digest): Promise<FileChanges> {
  const changes: FileChange[] = [];
  let directories = 0;
  const read = async (digest: Digest) => {
    directories += 1;
    return await readDirectory(digest);
  };
  const entries = async (digest: Digest | undefined) => {
    if (digest === undefined) return new Map<ByteString, Entry>();
    const all = await entriesOf(await read(digest), read);
    return new Map(all.map((entry) => [entry.name, entry]));
  };
  const isFull = () => changes.length >= MAX_CHANGES || directories >= MAX_DIRECTORIES;
  const todo: { at: ByteString; old: Digest | undefined; new: Digest | undefined }[] = [
    { at: '' as ByteString, old: before, new: now },
  ];
  try {
    for (let next = todo.pop(); next && !isFull(); next = todo.pop()) {
      const [olds, news] = [await entries(next.old), await entries(next.new)];
      const below: typeof todo = [];
      for (const name of [...new Set([...olds.keys(), ...news.keys()])].sort()) {
        const [old, entry] = [olds.get(name), news.get(name)];
        if (old && entry && isSame(old, entry)) continue;
        const at = joinBytes(next.at, name);
        const directory = (one: Entry | undefined) => (one?.type === 'directory' ? one : undefined);
        const [oldDirectory, newDirectory] = [directory(old), directory(entry)];
        const isOnlyBelow = oldDirectory && newDirectory && oldDirectory.mode === newDirectory.mode;
        if (!isOnlyBelow) {
          const change = !old ? 'added' : !entry ? 'removed' : 'changed';
          // The files of a directory that came or went are listed instead of it, unless it is empty.
          if (!(old ?? entry)?.type.startsWith('directory') || (old && entry))
            changes.push({ path: shownBytes(at), change });
        }
        if (oldDirectory?.digest !== newDirectory?.digest)
          below.push({ at, old: oldDirectory?.digest, new: newDirectory?.digest });
      }
      todo.push(...below.reverse());
    }
  } catch (error) {
    if (error instanceof TreePartMissing) return { state: 'unknown', why: 'tree_swept' };
    throw error;
  }
  const cut = todo.length > 0;
  return { state: 'differ', changes: changes.slice(0, MAX_CHANGES), ...(cut && { cut }) };
}

function isSame(a: Entry, b: Entry): boolean {
  if (a.type === 'symlink' || b.type === 'symlink')
    return a.type === b.type && 'target' in a && 'target' in b && a.target === b.target;
  return a.type === b.type && a.mode === b.mode && a.digest === b.digest;
}
