import { createHash } from 'node:crypto';
import { TRACE_LIMITS } from '@kiln/contracts';
import type { TracedEntry } from '@kiln/domain';
import { type ListedEntry, type Listing, shownBytes } from '@kiln/trees';

/** Enough to tell 4,000 entries apart by accident; nobody gains from a collision, which only hides a change. */
const DIGEST_CHARS = 12;

/**
 * Lists a commit's tree for a later comparison: each path with a digest of its type, mode and content. If there are too many entries, the
 * deepest are left out, and the directories that they are in stand for them; a path of a directory ends with `/`.
 */
export function commitEntries(listing: Listing, max: number = TRACE_LIMITS.entries): TracedEntry[] {
  const depths = listing.map(({ path }) => depthOf(path));
  let depth = Math.max(0, ...depths);
  const counts = new Map<number, number>();
  for (const one of depths) counts.set(one, (counts.get(one) ?? 0) + 1);
  let count = listing.length;
  for (; count > max && depth > 0; depth -= 1) count -= counts.get(depth) ?? 0;
  return listing.flatMap((entry, i) => ((depths[i] ?? 0) <= depth ? [traced(entry)] : [])).slice(0, max);
}

function depthOf(path: string): number {
  let depth = 0;
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) depth += 1;
  return depth;
}

function traced(entry: ListedEntry): TracedEntry {
  const path = shownBytes(entry.path);
  const hash = createHash('sha256');
  switch (entry.type) {
    case 'file':
      return [path, short(hash.update(`file ${entry.mode} ${entry.contentId}`))];
    case 'symlink':
      return [path, short(hash.update(`symlink ${entry.target}`, 'latin1'))];
    case 'directory':
      return [`${path}/`, short(hash.update(`directory ${entry.mode} ${entry.contentId}`))];
  }
}

function short(hash: ReturnType<typeof createHash>): string {
  return hash.digest('base64url').slice(0, DIGEST_CHARS);
}
