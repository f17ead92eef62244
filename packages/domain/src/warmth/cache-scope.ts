/** Which builds share a build's cache mounts: those of its repo, of its team, or all. */
export const CACHE_SCOPES = ['repo', 'team', 'pool'] as const;
export type CacheScope = (typeof CACHE_SCOPES)[number];
