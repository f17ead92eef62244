import { shownBytes } from '../merkle/byte-string.ts';
import { TreeFault } from '../merkle/tree-fault.ts';
import type { ListedEntry, Listing } from './tree-source.ts';

const OWNER_READ = 0o400;
const OWNER_LIST = 0o500;

/**
 * Checks that the owner of a tree may read all of it. A build reads its working tree as the tree's owner, and buildx sends a file that it can't open as an
 * empty one, without an error. @throws TreeFault
 */
export function checkReadable(listing: Listing): void {
  const entry = listing.find((one) => !isReadable(one));
  if (entry === undefined || entry.type === 'symlink') return;
  const [what, flags] = entry.type === 'file' ? ['file', 'u+r'] : ['directory', 'u+rx'];
  const mode = entry.mode.toString(8).padStart(4, '0');
  throw new TreeFault(
    `mode ${mode}`,
    `a ${what} that its owner may read (chmod ${flags}), or an ignore file that leaves it out`,
    shownBytes(entry.path),
  );
}

function isReadable(entry: ListedEntry): boolean {
  if (entry.type === 'symlink') return true;
  if (entry.type === 'file') return entry.sizeBytes === 0 || (entry.mode & OWNER_READ) !== 0;
  return (entry.mode & OWNER_LIST) === OWNER_LIST;
}
