import type { FailureCode } from '@kiln/domain';
import { GitFailed, type GitFailedFault, type GitGuard, reach, resolveRef } from '@kiln/git';
import { SourceUnresolved } from './source-unresolved.ts';

/**
 * The commit that a git source's ref (default: the remote HEAD) names now.
 * `secrets`: `GIT_AUTH_TOKEN.<host>`, `GIT_AUTH_TOKEN`, `GIT_AUTH_HEADER.<host>`, `GIT_AUTH_HEADER`, as BuildKit has them.
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

/** Looks once more whether the server of a clone URL may be reached. @throws SourceUnresolved `git_host_refused` */
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

/** What the server of a clone URL is told of who asks, out of the secrets that BuildKit takes it from. */
export function authorizationOf(url: string, secrets: ReadonlyMap<string, string>): string | undefined {
  const { host } = new URL(url);
  const token = secrets.get(`GIT_AUTH_TOKEN.${host}`) ?? secrets.get('GIT_AUTH_TOKEN');
  const basic = token && `basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`;
  return secrets.get(`GIT_AUTH_HEADER.${host}`) ?? secrets.get('GIT_AUTH_HEADER') ?? basic;
}
