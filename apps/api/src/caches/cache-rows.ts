import type { CacheView } from '@kiln/contracts';
import { mountKind, readCacheKey, readMountId } from '@kiln/domain';
import type { HostState, RepoSavings } from '@kiln/state';
import { instant } from '../http/answer.ts';

export interface CacheRows {
  /** Cache keys whose recent builds used a mount, by the mount's id. */
  readonly mountUsers: ReadonlyMap<string, readonly string[]>;
  /** By cache key. */
  readonly savings: ReadonlyMap<string, RepoSavings>;
  /** Whether the reader may see what belongs to the repo with this cache key. */
  seesRepo(key: string): boolean;
  /** Whether the reader also sees caches of which no repo is known. */
  readonly seesAll: boolean;
}

/** The caches of a host as its last reading has them, as far as the reader may see them. */
export function cacheRows({ report: { name: host, disk }, inventory }: HostState, rows: CacheRows): CacheView[] {
  if (!inventory) return [];
  const seen = (keys: readonly string[]) => keys.filter((key) => rows.seesRepo(key));
  const isSeen = (all: readonly string[]) => rows.seesAll || seen(all).length > 0;
  const mounts = inventory.mounts.flatMap(({ id, bytes, lastUsedAt, inUse }): CacheView[] => {
    const users = rows.mountUsers.get(id) ?? [];
    if (!isSeen(users)) return [];
    const { name, scope } = readMountId(id);
    const used = { bytes, lastUsedAt: instant(lastUsedAt), inUse, ...saved(seen(users), rows) };
    return [{ host, kind: mountKind(name), id, mount: name, scope, repos: seen(users).map(readCacheKey), ...used }];
  });
  const layers = inventory.repoLayers.flatMap(({ repo, bytes, lastUsedAt }): CacheView[] => {
    if (!isSeen([repo])) return [];
    const used = { bytes, lastUsedAt: instant(lastUsedAt), ...saved([repo], rows) };
    return [{ host, kind: 'layers', repos: [readCacheKey(repo)], ...used }];
  });
  const trees: CacheView[] =
    rows.seesAll && disk?.treeBytes !== undefined && disk.treeBytes > 0
      ? [{ host, kind: 'tree', repos: [], bytes: disk.treeBytes }]
      : [];
  return [...mounts, ...layers, ...trees];
}

function saved(keys: readonly string[], { savings }: CacheRows): Pick<CacheView, 'hits' | 'savedSeconds'> {
  const known = keys.flatMap((key) => savings.get(key) ?? []);
  if (known.length === 0) return {};
  return {
    hits: known.reduce((sum, { hits }) => sum + hits, 0),
    savedSeconds: Math.round(known.reduce((sum, { savedMs }) => sum + savedMs, 0) / 1_000),
  };
}
