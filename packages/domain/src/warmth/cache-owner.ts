import { FALLBACK_TEAM, type Trust } from '../access/principal.ts';
import { type Isolation, isolationDomain } from '../isolation/isolation-domain.ts';

/** Whose a build's caches are. */
export interface CacheOwner {
  readonly repo: string;
  readonly team: string;
  /** Absent: trusted. */
  readonly trust?: Trust | undefined;
}

/** No repo's own key begins so: origins hold no white space. */
const UNTRUSTED = 'untrusted ';
const TEAM = 'team ';

/**
 * The key by which caches, estimates and placement know a build's repo: one for each class of trust, team and repo, so that whatever a host keeps
 * apart, the key tells whose it is. Trusted builds of the default team go by the repo alone.
 */
export function cacheKey({ repo, team, trust }: CacheOwner): string {
  if (trust === 'untrusted') return `${UNTRUSTED}${team} ${repo}`;
  return team === FALLBACK_TEAM ? repo : `${TEAM}${team} ${repo}`;
}

/** What `cacheKey` made a key of. */
export function readCacheKey(key: string): { readonly repo: string; readonly trust: Trust; readonly team: string } {
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

/** The isolation domain of the builds that have this cache key. */
export function domainOfKey(key: string, isolation: Isolation): string {
  return isolationDomain(readCacheKey(key), isolation);
}
