import type { TimedEntries } from '@kiln/contracts';
import {
  type ByteString,
  byteString,
  type Digest,
  type DirectoryNode,
  type DirectoryObject,
  type Entry,
  encodeDirectory,
  encodeTimes,
  inlineFiles,
} from '@kiln/trees';
import type { LargeContent, SmallContent, SpooledNode } from './spool-tar.ts';

/** A directory object, and where the content of its small files is. */
export interface MadeDirectory {
  readonly object: DirectoryObject;
  readonly contents: readonly SmallContent[];
}

/** The tree that the entries of a tar make. */
export interface TarTree {
  readonly root: Digest;
  /** Every directory after those that it names. */
  readonly directories: readonly MadeDirectory[];
  readonly large: readonly LargeContent[];
  readonly entries: number;
  readonly fileBytes: number;
  /** Returns a directory of the tree. */
  node(digest: Digest): Promise<DirectoryNode>;
  /** The modification times of all entries, or of directories and links, see `encodeTimes`. */
  times(which: TimedEntries): Buffer;
}

/** Makes the tree of the entries of a tar, by path. All directories are among them, except the root. */
export function tarTree(nodes: ReadonlyMap<string, SpooledNode>): TarTree {
  const children = new Map<string, string[]>([['', []]]);
  for (const [path, { type }] of nodes) if (type === 'directory') children.set(path, []);
  for (const path of nodes.keys()) children.get(parentOf(path))?.push(path);
  const made = new Map<Digest, MadeDirectory>();
  const digests = new Map<string, Digest>();
  // A directory has a longer path than the one that it is in.
  const deepestFirst = [...children.keys()].sort((a, b) => b.length - a.length);
  for (const path of deepestFirst) {
    const small = new Map<Digest, SmallContent>();
    const entries = (children.get(path) ?? []).map((child): Entry => {
      const node = nodes.get(child) as SpooledNode;
      if (node.type === 'file' && 'at' in node.content) small.set(node.content.digest, node.content);
      return entryOf(nameOf(child), node, digests.get(child));
    });
    const objects = encodeDirectory(entries);
    for (const object of objects) {
      const contents = inlineFiles(object.node).map(({ digest }) => small.get(digest) as SmallContent);
      made.set(object.digest, { object, contents });
    }
    digests.set(path, (objects.at(-1) as DirectoryObject).digest);
  }
  const files = [...nodes.values()].flatMap((node) => (node.type === 'file' ? [node.content] : []));
  return {
    root: digests.get('') as Digest,
    directories: [...made.values()],
    large: files.filter((content) => 'path' in content),
    entries: nodes.size,
    fileBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    node: async (digest) => (made.get(digest) as MadeDirectory).object.node,
    times: (which) => encodeTimes(timesOf(nodes, children, which)),
  };
}

function entryOf(name: ByteString, node: SpooledNode, digest: Digest | undefined): Entry {
  switch (node.type) {
    case 'file':
      return { type: 'file', name, mode: node.mode, sizeBytes: node.content.sizeBytes, digest: node.content.digest };
    case 'directory':
      return { type: 'directory', name, mode: node.mode, digest: digest as Digest };
    case 'symlink':
      return { type: 'symlink', name, target: byteString(node.target) };
  }
}

/** Depth first, each directory before what is in it, the names of a directory in the order of their bytes. */
function timesOf(
  nodes: ReadonlyMap<string, SpooledNode>,
  children: ReadonlyMap<string, readonly string[]>,
  which: TimedEntries,
): bigint[] {
  const times: bigint[] = [];
  const sorted = (path: string) =>
    (children.get(path) ?? [])
      .map((child) => [nameOf(child), child] as const)
      .sort(([a], [b]) => (a < b ? 1 : -1))
      .map(([, child]) => child);
  // The next one is the last.
  const todo = sorted('');
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    const { type, mtimeNs } = nodes.get(path) as SpooledNode;
    if (which === 'all' || type !== 'file') times.push(mtimeNs);
    todo.push(...sorted(path));
  }
  return times;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function nameOf(path: string): ByteString {
  return byteString(path.slice(path.lastIndexOf('/') + 1));
}
