import { GitFailed, type GitGuard, type GitSource, resolveRef } from '@kiln/git';
import type { RepositoryEvent } from './order.ts';

/**
 * Why a push is no longer what its branch is at, or undefined where it is: the branch has moved on, or is gone. Asks the git server, since
 * a webhook's signature says nothing of when it was sent, and what Kiln remembers of a branch expires.
 * @throws GitFailed @throws the signal's reason
 */
export async function movedOn(
  event: Extract<RepositoryEvent, { type: 'push' }>,
  { url, credentials }: Pick<GitSource, 'url' | 'credentials'>,
  guard: GitGuard,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { branch, after } = event;
  const authorization = credentials && basic(credentials);
  try {
    const tip = await resolveRef({ url, ref: `refs/heads/${branch}`, authorization }, guard, signal);
    if (tip === after) return undefined;
    return `${branch} has moved on to ${tip.slice(0, 12)}; supersede: none builds every push all the same`;
  } catch (error) {
    if (error instanceof GitFailed && error.fault === 'ref_missing') return `there is no branch ${branch} any more`;
    throw error;
  }
}

function basic({ user, token }: NonNullable<GitSource['credentials']>): string {
  return `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`;
}
