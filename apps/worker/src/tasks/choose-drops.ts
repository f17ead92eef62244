import { cacheNamespace } from '@kiln/buildkit';
import type { DropTask } from '@kiln/contracts';
import { type CacheKind, mountKind, type RepoUsage, readCacheKey, readDomain, readMountId } from '@kiln/domain';
import type { ExecutorInventory } from '../engine/executor.ts';

/** What is known about the caches of one builder. */
export interface DropScene {
  readonly domain: string;
  readonly inventory: Pick<ExecutorInventory, 'mounts' | 'layers'>;
  /** Cache keys of the repos that used each layer, by the layer's id. */
  readonly layerUsers: ReadonlyMap<string, readonly string[]>;
  /** What recent builds used: of the order's repo, or of all repos if it names none. */
  readonly usages: readonly RepoUsage[];
  /** ms since the epoch. */
  readonly now: number;
}

/** A cache that an order covers. */
export interface DropTarget {
  /** A mount's id, or `layers`. */
  readonly id: string;
  readonly kind: CacheKind;
  /** BuildKit's records of it. */
  readonly records: readonly string[];
  readonly bytes: number;
  readonly inUse: boolean;
}

export interface Drops {
  readonly targets: readonly DropTarget[];
  /** Ids of mounts that the order covers but that other repos share, so that they are kept. */
  readonly shared: readonly string[];
}

/** Chooses what an order removes from one builder. */
export function chooseDrops(order: DropTask, scene: DropScene): Drops {
  const users = mountUsers(scene.usages);
  const covered = scene.inventory.mounts.filter(
    ({ id, lastUsedAt }) =>
      isNamed(id, order) &&
      isOwn(id, order, scene, users) &&
      (order.unusedForMs === undefined || lastUsedAt <= scene.now - order.unusedForMs),
  );
  const isShared = (id: string) => {
    const { scope } = readMountId(id);
    if (scope === 'repo') return false;
    // A team may drop what its own repos share, not what it shares with other teams.
    const isForbidden = scope === 'pool' && order.team !== undefined;
    return isForbidden || (order.repo !== undefined && !order.shared);
  };
  const mounts = covered
    .filter(({ id }) => !isShared(id))
    .map(({ id, records, bytes, inUse }) => ({ id, kind: mountKind(readMountId(id).name), records, bytes, inUse }));
  return {
    targets: [...mounts, ...layerTargets(order, scene)],
    shared: covered.map(({ id }) => id).filter(isShared),
  };
}

function isNamed(id: string, { mounts, kinds }: DropTask): boolean {
  const { name } = readMountId(id);
  return (mounts === undefined || mounts.includes(name)) && (kinds === undefined || kinds.includes(mountKind(name)));
}

function isOwn(
  id: string,
  { repo, team }: DropTask,
  { domain }: DropScene,
  users: ReadonlyMap<string, readonly string[]>,
): boolean {
  if (repo !== undefined) {
    const namespace = cacheNamespace({ repo, team: readCacheKey(repo).team, scope: 'repo' });
    return id.startsWith(`${namespace}/`) || (users.get(id)?.includes(repo) ?? false);
  }
  if (team === undefined || readDomain(domain)?.team === team) return true;
  const { scope, team: owner } = readMountId(id);
  if (scope === 'team') return owner === team;
  const repos = users.get(id) ?? [];
  return repos.length > 0 && repos.every((each) => readCacheKey(each).team === team);
}

/** The layers that an order covers, unless a repo that it doesn't cover has used them as well. */
function layerTargets({ repo, team, mounts, kinds, unusedForMs }: DropTask, scene: DropScene): DropTarget[] {
  const { domain, inventory, layerUsers, now } = scene;
  const isWanted =
    kinds === undefined ? mounts === undefined && repo === undefined && team === undefined : kinds.includes('layers');
  if (!isWanted) return [];
  const isOwner = (each: string) =>
    repo !== undefined ? each === repo : team === undefined || readCacheKey(each).team === team;
  const isWhole = repo === undefined && (team === undefined || readDomain(domain)?.team === team);
  const layers = inventory.layers.filter(({ id, lastUsedAt }) => {
    const repos = layerUsers.get(id) ?? [];
    const isCovered = repos.length === 0 ? isWhole : repos.every(isOwner);
    return isCovered && (unusedForMs === undefined || lastUsedAt <= now - unusedForMs);
  });
  if (layers.length === 0) return [];
  const bytes = layers.reduce((sum, layer) => sum + layer.bytes, 0);
  return [{ id: 'layers', kind: 'layers', records: layers.map(({ id }) => id), bytes, inUse: false }];
}

function mountUsers(usages: readonly RepoUsage[]): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const { repo, mounts } of usages) for (const { id } of mounts) users.set(id, [...(users.get(id) ?? []), repo]);
  return users;
}
