import { type Failure, type FailureCode, type GitFault, readGitComplaint } from '@kiln/domain';

const FAILURES: Readonly<Record<GitFault, readonly [FailureCode, string]>> = {
  subdir_missing: ['git_subdir_missing', 'the repository has no such directory'],
  ref_missing: ['git_ref_missing', 'the repository has no such commit'],
  auth_refused: ['git_auth_failed', 'the git server asks for other credentials'],
  repository_missing: ['git_unreachable', 'no such repository'],
  redirected: ['git_unreachable', 'the git server sends its clients elsewhere'],
  too_large: ['git_unreachable', 'the repository could not be fetched'],
  git_missing: ['infrastructure', 'BuildKit has no git'],
  unreachable: ['git_unreachable', 'the repository could not be fetched'],
};

/**
 * Why a git source could not be had.
 * @param error of the step that loads the source, with git's own stderr
 * @param message buildx's last word, for what isn't known here
 */
export function gitFailure(error: string, message: string): Failure {
  const { fault, said } = readGitComplaint(error);
  const [code, summary] = FAILURES[fault];
  return { code, message: `${summary}: ${said ?? message}` };
}
