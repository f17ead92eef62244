import { authorizationOf, GitFailed, type GitGuard, type GitSource, resolveRef } from '@kiln/git';
import type { RepositoryEvent } from './order.ts';

/**
 * Checks that a push is still the tip of its branch. Returns undefined if it is, else the reason: the branch has moved on, or is gone. Asks
 * the git server, because a webhook's signature doesn't cover the time at which it was sent, and what Kiln knows of a branch expires.
 * @throws GitFailed @throws the signal's reason
 */
export async function movedOn(
  event: Extract<RepositoryEvent, { type: 'push' }>,
  source: Pick<GitSource, 'url' | 'credentials'>,
  guard: GitGuard,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { branch, after } = event;
  const authorization = authorizationOf(source);
  try {
    const tip = await resolveRef({ url: source.url, ref: `refs/heads/${branch}`, authorization }, guard, signal);
    if (tip === after) return undefined;
    return `${branch} has moved on to ${tip.slice(0, 12)}; only images with supersede: none are built for every push`;
  } catch (error) {
    if (error instanceof GitFailed && error.fault === 'ref_missing') return `the branch ${branch} no longer exists`;
    throw error;
  }
}
