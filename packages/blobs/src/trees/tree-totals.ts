import { type DirectoryNode, TreeFault } from '@kiln/trees';

/** What a whole tree consists of. A subtree that occurs several times counts each time. */
export interface TreeTotals {
  /** Files, directories and links below the root. */
  readonly entries: number;
  readonly fileBytes: number;
  /** Length of the longest path. */
  readonly pathBytes: number;
}

/** The largest tree that is stored. */
export interface TreeLimits {
  readonly maxEntries: number;
  readonly maxFileBytes: number;
}

/** PATH_MAX without the final zero byte. Also limits the depth, as each directory on the way has a name. */
const MAX_PATH_BYTES = 4095;

/** Adds up a directory and what it names. @param of returns the totals of a directory by its digest */
export function totalsOf(node: DirectoryNode, of: (digest: string) => TreeTotals): TreeTotals {
  let [entries, fileBytes, pathBytes] = [0, 0, 0];
  if (node.type === 'parts') {
    for (const digest of node.parts) {
      const part = of(digest);
      entries += part.entries;
      fileBytes += part.fileBytes;
      pathBytes = Math.max(pathBytes, part.pathBytes);
    }
    return { entries, fileBytes, pathBytes };
  }
  for (const entry of node.entries) {
    let below = 0;
    entries += 1;
    if (entry.type === 'file') fileBytes += entry.sizeBytes;
    if (entry.type === 'directory') {
      const child = of(entry.digest);
      entries += child.entries;
      fileBytes += child.fileBytes;
      below = child.pathBytes === 0 ? 0 : 1 + child.pathBytes;
    }
    pathBytes = Math.max(pathBytes, entry.name.length + below);
  }
  return { entries, fileBytes, pathBytes };
}

/** @throws TreeFault if a tree is too large */
export function checkTotals({ entries, fileBytes, pathBytes }: TreeTotals, limits: TreeLimits): void {
  const { maxEntries, maxFileBytes } = limits;
  if (entries > maxEntries) throw new TreeFault(`a tree of ${entries} entries`, `at most ${maxEntries} entries`);
  if (fileBytes > maxFileBytes)
    throw new TreeFault(`a tree of ${fileBytes} bytes when unpacked`, `at most ${maxFileBytes} bytes when unpacked`);
  if (pathBytes > MAX_PATH_BYTES)
    throw new TreeFault(`a path of ${pathBytes} bytes`, `at most ${MAX_PATH_BYTES} bytes`);
}
