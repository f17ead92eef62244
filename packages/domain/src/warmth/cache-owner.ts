import type { Trust } from '../access/principal.ts';

/** Whose a build's caches are. */
export interface CacheOwner {
  readonly repo: string;
  readonly team: string;
  /** Absent: trusted. */
  readonly trust?: Trust | undefined;
}

/** No repo's own key begins so: origins hold no white space. */
const UNTRUSTED = 'untrusted ';

/**
 * The key by which caches, estimates and placement know a build's repo. Untrusted builds have one of their own, for each team and repo: what
 * trusted builds have left makes them no warmer, and the other way round (ADR 5).
 */
export function cacheKey({ repo, team, trust }: CacheOwner): string {
  return trust === 'untrusted' ? `${UNTRUSTED}${team} ${repo}` : repo;
}

/** What `cacheKey` made a key of; the team only where it is in it. */
export function readCacheKey(key: string): { readonly repo: string; readonly trust: Trust; readonly team?: string } {
  if (!key.startsWith(UNTRUSTED)) return { repo: key, trust: 'trusted' };
  const [team = '', ...repo] = key.slice(UNTRUSTED.length).split(' ');
  return { repo: repo.join(' '), trust: 'untrusted', team };
}
