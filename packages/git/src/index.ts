export { archiveCommit, type CommitArchive } from './archive-commit.ts';
export { authorizationOf, type CommitFiles, type GitLimits, type GitSource, openCommit } from './commit-files.ts';
export { GitFailed, type GitFailedFault } from './git-failed.ts';
export { GitMirror } from './mirror/git-mirror.ts';
export type { CheckedOut, CommitFile, EntryBelow, MirroredCommit } from './mirror/mirrored-commit.ts';
export type { GitEntry } from './mirror/tree-listing.ts';
export { type GitGuard, reach } from './reach.ts';
export { resolveRef } from './resolve-ref.ts';
