import { classifyGitError } from '@kiln/domain';
import { GitFailed } from './git-failed.ts';
import type { GitEnd } from './run-git.ts';

export interface GitQuery {
  readonly url: string;
  readonly ref?: string | undefined;
  readonly timeoutMs: number;
  /** Most that the server may send. */
  readonly maxBytes: number;
  /** Completes the message `credentials are missing or invalid: …`: where Kiln takes credentials from. */
  readonly credentials: string;
}

/** Explains to the user who gave the URL why git failed. */
export function explain(query: GitQuery, end: Extract<GitEnd, { ok: false }>): GitFailed {
  const { url, ref } = query;
  const { fault, message: gitMessage = 'git failed without a message' } = classifyGitError(end.stderr);
  if (end.why === 'timeout') {
    return new GitFailed('unreachable', `${url} didn’t answer within ${query.timeoutMs / 1000} s`, true);
  }
  if (end.why === 'too_large' || fault === 'too_large') return sendsTooMuch(query);
  switch (fault) {
    case 'git_missing':
      return new GitFailed(fault, 'git isn’t installed on Kiln’s machine, or isn’t in its PATH', false);
    case 'ref_missing':
      return new GitFailed(fault, `${url} has no ${ref ?? 'such ref'}: ${gitMessage}`, true);
    case 'auth_refused':
      return new GitFailed(
        fault,
        `${url}: credentials are missing or invalid: ${query.credentials} (${gitMessage})`,
        false,
      );
    case 'redirected':
    case 'repository_missing':
      return new GitFailed(fault, `${url} can’t be read: ${gitMessage}`, false);
    default:
      return new GitFailed(fault, `${url} can’t be read: ${gitMessage}`, true);
  }
}

export function sendsTooMuch({ url, maxBytes }: GitQuery): GitFailed {
  const most = `${Math.floor(maxBytes / (1024 * 1024))} MiB`;
  return new GitFailed('too_large', `${url} sends more than ${most}, the limit of a fetch`, false);
}
