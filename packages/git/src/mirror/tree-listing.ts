/** An entry of a commit's tree, as git has it. */
export interface GitEntry {
  /** Bytes of the path, relative to the listed tree, one character each (Latin-1). */
  readonly path: string;
  readonly type: 'file' | 'executable' | 'symlink' | 'directory' | 'submodule';
  /** Git's name of the blob, tree or commit. */
  readonly id: string;
}

const TYPES: Readonly<Record<string, GitEntry['type']>> = {
  '100644': 'file',
  // Written by old versions of git.
  '100664': 'file',
  '100755': 'executable',
  '120000': 'symlink',
  '040000': 'directory',
  '160000': 'submodule',
};

/** Arguments of git that list a tree for `parseListing`. */
export const LIST_TREE = ['ls-tree', '-r', '-t', '-z', '--full-tree'];

/** Parses the output of `LIST_TREE`. @throws RangeError for a type that git doesn't have */
export function parseListing(output: Buffer): GitEntry[] {
  const entries: GitEntry[] = [];
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf(0, at);
    const tab = output.indexOf(9, at);
    const [mode = '', , id = ''] = output.toString('latin1', at, tab).split(' ');
    const type = TYPES[mode];
    if (!type) throw new RangeError(`git lists an entry of mode ${mode}`);
    entries.push({ path: output.toString('latin1', tab + 1, end), type, id });
    at = end + 1;
  }
  return entries;
}

/**
 * Orders entries depth first: each directory before what is in it, the names of a directory in the order of their bytes. Git itself orders a directory
 * as if its name ended in a slash.
 */
export function depthFirst<T extends { readonly path: string }>(entries: readonly T[]): T[] {
  // No name has a zero byte, which comes before all others.
  const keyed = entries.map((entry) => ({ key: entry.path.replaceAll('/', '\0'), entry }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return keyed.map(({ entry }) => entry);
}
