import type { ChangedPaths } from '@kiln/contracts';
import { z } from 'zod';

/** A commit id of 40 or 64 digits. All zeros, git's way to say that there is none, become null. */
export const commitOrZero = z
  .string()
  .regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'a commit id of 40 or 64 hexadecimal digits')
  .transform((id) => (/^0+$/.test(id) ? null : id));

/** Text that people wrote, cut to 256 characters. */
export const cutText = z.string().transform((text) => text.slice(0, 256));

/** Commits are validated one by one when they are read: with a million bad ones in a payload, one problem is enough. */
export const commitList = z.array(z.unknown());

const files = z.array(z.string()).nullish();
const commitFiles = z.object({ added: files, modified: files, removed: files });

const MAX_PATHS = 10_000;

/** Returns the paths that the listed commits touch, and why they may not be all: `incomplete`, or commits without lists of files. */
export function changedPaths(commits: readonly unknown[], incomplete: string | undefined): ChangedPaths {
  const paths = new Set<string>();
  for (const commit of commits) {
    const lists = commitFiles.safeParse(commit);
    if (!lists.success || !lists.data.added) {
      return { complete: false, paths: [...paths], reason: incomplete ?? 'the payload lists no files for a commit' };
    }
    for (const list of [lists.data.added, lists.data.modified, lists.data.removed]) {
      for (const path of list ?? []) paths.add(path);
    }
    if (paths.size > MAX_PATHS) return { complete: false, paths: [], reason: `more than ${MAX_PATHS} paths changed` };
  }
  if (incomplete !== undefined) return { complete: false, paths: [...paths], reason: incomplete };
  if (paths.size === 0) return { complete: false, paths: [], reason: 'the payload lists no changed path' };
  return { complete: true, paths: [...paths] };
}

/** Parses `refs/heads/<branch>` and `refs/tags/<tag>`; undefined for any other ref. */
export function readRef(ref: string): { readonly kind: 'branch' | 'tag'; readonly name: string } | undefined {
  const match = /^refs\/(heads|tags)\/(.+)$/.exec(ref);
  if (!match) return undefined;
  return { kind: match[1] === 'heads' ? 'branch' : 'tag', name: match[2] ?? '' };
}

/** The payload's time of the last change, ms; empty if it is not a valid time. */
export function changedAt(text: string | null | undefined): { updatedAt?: number } {
  const ms = text ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? {} : { updatedAt: ms };
}
