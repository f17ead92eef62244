import { classifyGitError, type Failure, type FailureCode, type GitFault } from '@kiln/domain';

const FAILURES: Readonly<Record<GitFault, readonly [FailureCode, string]>> = {
  subdir_missing: ['git_subdir_missing', 'the repository has no such directory'],
  ref_missing: ['git_ref_missing', 'the repository has no such commit'],
  auth_refused: ['git_auth_failed', 'the credentials for the git server are missing or invalid'],
  repository_missing: ['git_unreachable', 'no such repository'],
  redirected: ['git_unreachable', 'the git server redirects to another address'],
  too_large: ['git_unreachable', 'the repository could not be fetched'],
  git_missing: ['infrastructure', 'BuildKit has no git'],
  unreachable: ['git_unreachable', 'the repository could not be fetched'],
};

/**
 * Determines why a git source could not be fetched.
 * @param error error of the step that loads the source, with git's stderr
 * @param message buildx's error, used if git's can't be found
 */
export function gitFailure(error: string, message: string): Failure {
  const { fault, message: gitMessage = message } = classifyGitError(error);
  const [code, summary] = FAILURES[fault];
  return { code, message: `${summary}: ${gitMessage}` };
}
