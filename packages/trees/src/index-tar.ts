import { EntryTree } from './entry-tree.ts';
import { type ReadTarOptions, readTar } from './read-tar.ts';

export interface IndexOptions extends ReadTarOptions {
  /** Default: no limit. */
  readonly maxEntries?: number;
}

/**
 * Reads a tar, plain or gzipped, to its end, and returns the tree that `unpackTar` would create. Keeps names, but no content.
 * @throws TarFault @throws whatever `bytes` throws
 */
export async function indexTar(bytes: AsyncIterable<Uint8Array>, options: IndexOptions = {}): Promise<EntryTree> {
  const tree = new EntryTree(options.maxEntries);
  for await (const entry of readTar(bytes, options)) tree.add(entry);
  return tree;
}
