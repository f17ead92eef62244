import type { FailureCode } from '@kiln/domain';
import { GitFailed, type GitFailedFault, type GitGuard, reach, resolveRef } from '@kiln/git';
import { SourceUnresolved } from './source-unresolved.ts';

/**
 * Resolves a git source's ref (default: the remote HEAD) to the commit that it names now.
 * @param secrets among them `GIT_AUTH_TOKEN[.<host>]` and `GIT_AUTH_HEADER[.<host>]`, which have the same meaning as in BuildKit
 * @throws SourceUnresolved @throws the signal's reason
 */
export async function resolveCommit(
  { url, ref }: { readonly url: string; readonly ref?: string | undefined },
  secrets: ReadonlyMap<string, string>,
  guard: GitGuard,
  signal: AbortSignal,
): Promise<string> {
  return asSource(resolveRef({ url, ref, authorization: authorizationOf(url, secrets) }, guard, signal));
}

/** Checks again that the server of a clone URL may be reached. @throws SourceUnresolved `git_host_refused` */
export async function checkGitHost(url: string, guard: GitGuard): Promise<void> {
  await asSource(reach(url, guard));
}

async function asSource<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof GitFailed)) throw error;
    throw new SourceUnresolved({ code: CODES[error.fault], message: error.message });
  }
}

const CODES: Readonly<Record<GitFailedFault, FailureCode>> = {
  host_refused: 'git_host_refused',
  ref_missing: 'git_ref_missing',
  subdir_missing: 'git_subdir_missing',
  auth_refused: 'git_auth_failed',
  repository_missing: 'git_unreachable',
  redirected: 'git_unreachable',
  too_large: 'git_unreachable',
  git_missing: 'infrastructure',
  unreachable: 'git_unreachable',
};

/** Returns the value of the `Authorization` header for a clone URL, from the same secrets as BuildKit. */
export function authorizationOf(url: string, secrets: ReadonlyMap<string, string>): string | undefined {
  const { host } = new URL(url);
  const token = secrets.get(`GIT_AUTH_TOKEN.${host}`) ?? secrets.get('GIT_AUTH_TOKEN');
  const basic = token && `basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`;
  return secrets.get(`GIT_AUTH_HEADER.${host}`) ?? secrets.get('GIT_AUTH_HEADER') ?? basic;
}
