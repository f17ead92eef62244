import { createHash } from 'node:crypto';
import { type ByteString, shownBytes } from './byte-string.ts';
import type { Digest, DirectoryNode, Entry } from './tree-entry.ts';
import { TreeFault } from './tree-fault.ts';

/** Returns in which part of a divided directory a name is. */
export function partOf(name: ByteString): number {
  return createHash('sha256').update(name, 'latin1').digest()[0] as number;
}

/**
 * Returns all entries of a directory, by name, also of a divided one. `read` returns the part of a digest.
 * @throws TreeFault for parts that `encodeDirectory` wouldn't make, such as two with the same name @throws what `read` throws
 */
export async function entriesOf(
  node: DirectoryNode,
  read: (digest: Digest) => Promise<DirectoryNode>,
): Promise<readonly Entry[]> {
  if (node.type === 'entries') return node.entries;
  const all: Entry[] = [];
  let before = -1;
  for (const digest of node.parts) {
    const entries = partEntries(await read(digest), before);
    before = partOf((entries[0] as Entry).name);
    all.push(...entries);
  }
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Checks a part of a divided directory: its names belong to one part, after part `before`. @throws TreeFault */
export function partEntries(node: DirectoryNode, before: number): readonly Entry[] {
  const [first] = node.type === 'entries' ? node.entries : [];
  if (node.type === 'parts' || !first) throw new TreeFault('a part of a directory without entries', 'one with entries');
  const part = partOf(first.name);
  if (part <= before) throw new TreeFault('parts of a directory out of order', 'parts in order');
  for (const { name } of node.entries) {
    if (partOf(name) !== part)
      throw new TreeFault(
        'an entry in the wrong part of its directory',
        'names in the part of their digest',
        shownBytes(name),
      );
  }
  return node.entries;
}
