import { FALLBACK_TEAM, type Trust } from '../access/principal.ts';
import { withoutMode } from '../caches/cache-mode.ts';
import { type Isolation, isolationDomain } from '../isolation/isolation-domain.ts';

/** The owner of a build's caches. */
export interface CacheOwner {
  readonly repo: string;
  readonly team: string;
  /** Absent: trusted. */
  readonly trust?: Trust | undefined;
}

/** No repo key begins like this: origins contain no white space. */
const UNTRUSTED = 'untrusted ';
const TEAM = 'team ';

/**
 * Returns the key of a build's repo for caches, estimates and placement. Each combination of trust class, team and repo has its own key, so
 * that the key identifies the owner under any isolation. For trusted builds of the default team it is the repo key alone.
 */
export function cacheKey({ repo, team, trust }: CacheOwner): string {
  if (trust === 'untrusted') return `${UNTRUSTED}${team} ${repo}`;
  return team === FALLBACK_TEAM ? repo : `${TEAM}${team} ${repo}`;
}

/** Parses a key of `cacheKey`, or one of `placementKey`, of which the mode is left out. */
export function readCacheKey(given: string): { readonly repo: string; readonly trust: Trust; readonly team: string } {
  const key = withoutMode(given);
  for (const [prefix, trust] of [
    [UNTRUSTED, 'untrusted'],
    [TEAM, 'trusted'],
  ] as const) {
    if (!key.startsWith(prefix)) continue;
    const [team = '', ...repo] = key.slice(prefix.length).split(' ');
    return { repo: repo.join(' '), trust, team };
  }
  return { repo: key, trust: 'trusted', team: FALLBACK_TEAM };
}

/** Returns the isolation domain of the builds with this cache key. */
export function domainOfKey(key: string, isolation: Isolation): string {
  return isolationDomain(readCacheKey(key), isolation);
}
