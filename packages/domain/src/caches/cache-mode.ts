/**
 * Where a build's caches come from. `warm`: the host's long-lived builder. The others run on a builder that is made for the attempt and removed
 * after it: `registry` imports and exports caches as references in a registry, `archive` as an archive in Kiln's blob store, `fresh` not at all.
 */
export const CACHE_MODES = ['warm', 'registry', 'archive', 'fresh'] as const;
export type CacheMode = (typeof CACHE_MODES)[number];

/** What a worker can do that doesn't report its modes: one of a version before there were any. */
export const OLDEST_MODES: readonly CacheMode[] = ['warm'];

/** Returns the modes with which a host can build. Only `docker-container` can make builders. */
export function cacheModesOf(driver: 'docker' | 'docker-container'): readonly CacheMode[] {
  return driver === 'docker' ? ['warm', 'fresh'] : CACHE_MODES;
}

/** Separates the mode in a `placementKey`. No repo key contains it. */
const SEPARATOR = '\t';

/**
 * Returns the key by which placement knows a build's repo: its cache key, and the mode if that isn't `warm`. A build on a builder of its own finds no
 * warm host, and how long it takes says nothing about warm ones.
 */
export function placementKey(cacheKey: string, mode: CacheMode = 'warm'): string {
  return mode === 'warm' ? cacheKey : `${cacheKey}${SEPARATOR}${mode}`;
}

/** Returns the cache key in a `placementKey`. */
export function withoutMode(key: string): string {
  const at = key.indexOf(SEPARATOR);
  return at < 0 ? key : key.slice(0, at);
}

/** Tag of the references that `registry` uses by default, beside the image's own. Those of untrusted builds are never read by trusted ones. */
const DEFAULT_TAGS = { trusted: 'kiln-cache', untrusted: 'kiln-cache-untrusted' } as const;

/** Returns the reference for a build's caches if it names none: a tag of the repository that it pushes to. */
export function defaultCacheRef(name: string, trust: keyof typeof DEFAULT_TAGS): string {
  return `${name}:${DEFAULT_TAGS[trust]}`;
}
