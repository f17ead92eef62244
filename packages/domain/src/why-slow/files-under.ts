import type { Difference, FileChange, FileChanges, NotCompared } from './cause.ts';
import { type ContextSources, readsPath } from './copy-sources.ts';

const SHOWN_PATHS = 10;

type FilesDiffer = Extract<Difference, { type: 'files_changed' }>;

/** What changed of the files that an instruction reads. */
export type FilesUnder =
  | FilesDiffer
  | { readonly type: 'same' }
  | { readonly type: 'unknown'; readonly why: Extract<NotCompared, { what: 'files' }>['why'] };

/** Picks the changes of the files that an instruction reads. Where that isn't certain the answer is `unknown`. */
export function filesUnder(files: FileChanges, sources: ContextSources): FilesUnder {
  if (files.state === 'same') return { type: 'same' };
  if (files.state === 'unknown') return { type: 'unknown', why: files.why };
  const reads = readsPath(sources);
  const read = files.changes.filter(({ path }) => reads(path));
  if (read.length > 0) {
    if (!sources.exact) return { type: 'unknown', why: 'variable_sources' };
    return counted(read, files.cut === true);
  }
  // The change may be in one of these directories, and an instruction may read only part of such a directory.
  const isPart = files.changes.some(({ path, within }) => within && sources.patterns.some((at) => at.startsWith(path)));
  if (isPart || files.cut) return { type: 'unknown', why: 'large_tree' };
  return { type: 'same' };
}

function counted(changes: readonly FileChange[], cut: boolean): FilesDiffer {
  const count = (kind: FileChange['change']) => changes.filter(({ change }) => change === kind).length;
  const atLeast = cut || changes.some(({ within }) => within);
  return {
    type: 'files_changed',
    added: count('added'),
    changed: count('changed'),
    removed: count('removed'),
    paths: changes.slice(0, SHOWN_PATHS),
    ...(atLeast && { atLeast }),
  };
}
