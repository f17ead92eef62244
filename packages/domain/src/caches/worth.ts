import type { CacheKind } from './cache-kind.ts';

const HOUR_MS = 3_600_000;

/** How often a repo is built, and what warmth saves each of its builds. */
export interface RepoSaving {
  /** Expected builds per hour where the cache would serve them: decaying demand (estimates/demand.ts). */
  readonly buildsPerHour: number;
  /** Expected duration of a cold build less that of a warm one (`expectedRuns`), ms. */
  readonly savedMs: number;
}

/** A cache that could be evicted: a cache mount, or what a repo has of layers. */
export interface EvictableCache {
  /** Unique on the host. */
  readonly id: string;
  readonly kind: CacheKind;
  readonly bytes: number;
  /** ms since the epoch. */
  readonly lastUsedAt: number;
  readonly inUse: boolean;
  /** What the cache is expected to save, ms per hour (`savingPerHour`); 0 if no repo is known that uses it. */
  readonly savesPerHour: number;
  /** Cache key of the only repo that uses it; absent if several do, or none is known. */
  readonly repo?: string | undefined;
  /** The team whose builds use it; absent if several do, or none is known. */
  readonly team?: string | undefined;
}

/** Why a cache is evicted. */
export const EVICTION_REASONS = ['repo_cap', 'team_cap', 'budget', 'low_disk'] as const;
export type EvictionReason = (typeof EVICTION_REASONS)[number];

export interface Eviction {
  readonly cache: EvictableCache;
  readonly reason: EvictionReason;
}

/** What makes evictions necessary. All in bytes; absent: no such limit. */
export interface EvictionNeed {
  /** To free in order to keep within the cache budget. */
  readonly overBudgetBytes?: number;
  /** To free for the minimum of free disk. */
  readonly lowDiskBytes?: number;
  readonly repoCapBytes?: number | undefined;
  readonly teamCapBytes?: number | undefined;
}

/** Returns what a repo's caches are expected to save, ms per hour. */
export function savingPerHour({ buildsPerHour, savedMs }: RepoSaving): number {
  return Math.max(0, buildsPerHour) * Math.max(0, savedMs);
}

/**
 * Returns the worth of a cache: what it is expected to save, in ms per hour and byte. For a part of a repo's caches give the part of
 * `savedMs` that it is responsible for. A cache without bytes is worth keeping whatever it saves.
 */
export function worthPerByte({ bytes, ...saving }: RepoSaving & { readonly bytes: number }): number {
  return bytes > 0 ? savingPerHour(saving) / bytes : Number.POSITIVE_INFINITY;
}

/** How long a cache counts as just used, ms: among equals it is evicted last. */
const RECENT_MS = HOUR_MS;

/**
 * Returns the caches in the order in which they should be evicted: least predicted saving per byte first; between equals those used longest
 * ago, then the larger ones. Caches in use, and those without bytes, are left out.
 * @param now ms since the epoch
 */
export function evictionOrder<C extends EvictableCache>(caches: readonly C[], now: number): C[] {
  const worth = (cache: C) => cache.savesPerHour / cache.bytes;
  const isRecent = (cache: C) => Number(now - cache.lastUsedAt < RECENT_MS);
  return caches
    .filter(({ inUse, bytes }) => !inUse && bytes > 0)
    .sort(
      (a, b) =>
        worth(a) - worth(b) ||
        isRecent(a) - isRecent(b) ||
        a.lastUsedAt - b.lastUsedAt ||
        b.bytes - a.bytes ||
        (a.id < b.id ? -1 : 1),
    );
}

/**
 * Chooses what to evict: first from repos and teams above their cap, only their own caches; then whatever is worth least, until enough is
 * freed. Evicts no more than necessary, and nothing that is in use, so it may free less than needed.
 * @param now ms since the epoch
 */
export function chooseEvictions(caches: readonly EvictableCache[], need: EvictionNeed, now: number): Eviction[] {
  const order = evictionOrder(caches, now);
  const chosen = new Map<string, Eviction>();
  const cap = (
    limit: number | undefined,
    reason: EvictionReason,
    ownerOf: (cache: EvictableCache) => string | undefined,
  ) => {
    if (limit === undefined) return;
    for (const [owner, own] of Map.groupBy(caches, ownerOf)) {
      if (owner === undefined) continue;
      const kept = own.filter(({ id }) => !chosen.has(id));
      evictUntil(
        order.filter((cache) => ownerOf(cache) === owner),
        sum(kept) - limit,
        reason,
        chosen,
      );
    }
  };
  cap(need.repoCapBytes, 'repo_cap', ({ repo }) => repo);
  cap(need.teamCapBytes, 'team_cap', ({ team }) => team);
  const freed = sum([...chosen.values()].map(({ cache }) => cache));
  evictUntil(order, (need.overBudgetBytes ?? 0) - freed, 'budget', chosen);
  const freedThen = sum([...chosen.values()].map(({ cache }) => cache));
  evictUntil(order, (need.lowDiskBytes ?? 0) - freedThen, 'low_disk', chosen);
  return [...chosen.values()];
}

/** Adds caches to `chosen`, in this order, until they free `bytes`. */
function evictUntil(
  order: readonly EvictableCache[],
  bytes: number,
  reason: EvictionReason,
  chosen: Map<string, Eviction>,
): void {
  let left = bytes;
  for (const cache of order) {
    if (left <= 0) return;
    if (chosen.has(cache.id)) continue;
    chosen.set(cache.id, { cache, reason });
    left -= cache.bytes;
  }
}

function sum(caches: readonly { readonly bytes: number }[]): number {
  return caches.reduce((total, { bytes }) => total + bytes, 0);
}
