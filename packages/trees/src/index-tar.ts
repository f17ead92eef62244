import { EntryTree } from './entry-tree.ts';
import { type ReadTarOptions, readTar } from './read-tar.ts';

export interface IndexOptions extends ReadTarOptions {
  /** Default: no limit. */
  readonly maxEntries?: number;
}

/**
 * Looks through a tar, plain or gzipped, to its end, and answers what `unpackTar` would make of it. Holds names, no content.
 * @throws TarFault; whatever `bytes` throws
 */
export async function indexTar(bytes: AsyncIterable<Uint8Array>, options: IndexOptions = {}): Promise<EntryTree> {
  const tree = new EntryTree(options.maxEntries);
  for await (const entry of readTar(bytes, options)) tree.add(entry);
  return tree;
}
