import type { HeldCache } from './model.ts';

/** Most that a cache left by another version of the dependencies is worth. */
export const STALE_WARMTH = 0.5;

/** Warmth of a cache, 0 to 1, for a build that needs `version`; an unknown version counts as the right one. */
export function warmthFor(cache: Pick<HeldCache, 'warmth' | 'version'>, version: string | undefined): number {
  if (version === undefined || cache.version === undefined || version === cache.version) return cache.warmth;
  return Math.min(STALE_WARMTH, cache.warmth);
}
