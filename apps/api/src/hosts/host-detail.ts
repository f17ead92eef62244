import type { HostDetailView } from '@kiln/contracts';
import { readCacheKey, readDomain } from '@kiln/domain';
import type { HostState, PublishedInventory } from '@kiln/state';
import { instant } from '../http/answer.ts';
import { viewHost } from './host-view.ts';

/** The view of a host with the content of its caches. `mountUsers`: the cache keys whose recent builds used a mount, by the mount's id. */
export function viewHostDetail(host: HostState, mountUsers: ReadonlyMap<string, readonly string[]>): HostDetailView {
  return { ...viewHost(host), ...(host.inventory && { inventory: viewInventory(host, host.inventory, mountUsers) }) };
}

function viewInventory(
  { caches }: HostState,
  inventory: PublishedInventory,
  mountUsers: ReadonlyMap<string, readonly string[]>,
): NonNullable<HostDetailView['inventory']> {
  const {
    readAt,
    sizesAreFloors,
    usedBytes,
    usedByDomain = inventory.usedByTrust,
    mounts,
    mountsLeftOut,
    layers,
  } = inventory;
  return {
    readAt: instant(readAt),
    sizesAreFloors,
    usedBytes,
    ...(usedByDomain && { usedByDomain: { ...usedByDomain } }),
    mounts: mounts.map(({ id, domain, trust = 'trusted', bytes, lastUsedAt, inUse, records }) => ({
      id,
      trust: domain === undefined ? trust : (readDomain(domain)?.trust ?? trust),
      ...(domain !== undefined && { domain }),
      repos: [...new Set(mountUsers.get(id)?.map((key) => readCacheKey(key).repo))].sort(),
      bytes,
      lastUsedAt: instant(lastUsedAt),
      inUse,
      records,
    })),
    mountsLeftOut,
    layers,
    repos: [...caches]
      .map(([key, { warmth, bytes, lastUsedAt }]) => ({
        ...readCacheKey(key),
        warmth,
        bytes,
        lastUsedAt: instant(lastUsedAt),
      }))
      .sort((a, b) => b.warmth - a.warmth || b.bytes - a.bytes || (a.repo < b.repo ? -1 : 1)),
  };
}
