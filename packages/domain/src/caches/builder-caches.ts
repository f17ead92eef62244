import { Demand } from '../placement/estimates/demand.ts';
import { expectedRuns, FIRST_GUESS } from '../placement/estimates/estimates.ts';
import type { LearnedPool, LearnedRepo } from '../placement/estimates/learned.ts';
import { DEFAULT_PLACEMENT } from '../placement/model/settings.ts';
import type { LayerRecord, MountRecord } from '../warmth/attribution.ts';
import { readCacheKey } from '../warmth/cache-owner.ts';
import type { RepoUsage } from '../warmth/usage.ts';
import { mountKind } from './cache-kind.ts';
import { readMountId } from './mount-id.ts';
import { type EvictableCache, savingPerHour } from './worth.ts';

/** Mounts bring about three quarters of what warmth saves, as in warmth.ts. */
const MOUNTS_SHARE = 0.75;
const HOUR_MS = 3_600_000;

/** A builder's cache that could be evicted, with BuildKit's records of it. */
export interface BuilderCache extends EvictableCache {
  readonly records: readonly string[];
}

/** What is known about the caches of one builder, and of the repos that use them. */
export interface BuilderScene {
  readonly mounts: readonly (MountRecord & { readonly records: readonly string[] })[];
  readonly layers: readonly LayerRecord[];
  /** Cache keys of the repos that used each layer, by the layer's id. */
  readonly layerUsers: ReadonlyMap<string, readonly string[]>;
  readonly usages: readonly RepoUsage[];
  readonly pool: LearnedPool | undefined;
  readonly repos: ReadonlyMap<string, LearnedRepo>;
  /** ms since the epoch. */
  readonly now: number;
}

/** Returns what the caches of a repo are expected to save, ms per hour, by what placement has learned. */
export function learnedSaving(repo: LearnedRepo | undefined, pool: LearnedPool | undefined, now: number): number {
  const { cold, warm } = expectedRuns(repo?.estimate ?? {}, pool?.estimate ?? FIRST_GUESS);
  if (!repo) return 0;
  const demand = new Demand();
  demand.restore(repo.demand);
  const { horizonMs, demandHorizons } = DEFAULT_PLACEMENT;
  const memoryMs = (pool?.horizonMs ?? horizonMs.initial) * demandHorizons;
  const watchedMs = Math.max(1, now - (pool?.watchedSince ?? 0));
  return savingPerHour({
    buildsPerHour: demand.expected({ now, horizonMs: HOUR_MS, memoryMs, watchedMs }),
    savedMs: cold - warm,
  });
}

/**
 * Returns a builder's caches with what each is expected to save: each mount, the layers that only one repo has used, and those of which no
 * repo is known. Layers that several repos use are left out: they stay as long as anything is based on them.
 */
export function builderCaches(scene: BuilderScene): BuilderCache[] {
  const saving = (repo: string) => learnedSaving(scene.repos.get(repo), scene.pool, scene.now);
  const users = new Map<string, string[]>();
  for (const { repo, mounts } of scene.usages)
    for (const { id } of mounts) users.set(id, [...(users.get(id) ?? []), repo]);
  const mountBytes = new Map<string, number>();
  for (const { id, bytes } of scene.mounts) {
    for (const repo of users.get(id) ?? []) mountBytes.set(repo, (mountBytes.get(repo) ?? 0) + bytes);
  }
  const mounts = scene.mounts.map(({ id, bytes, lastUsedAt, inUse, records }): BuilderCache => {
    const repos = users.get(id) ?? [];
    const part = (repo: string) => (MOUNTS_SHARE * bytes) / Math.max(1, mountBytes.get(repo) ?? 0);
    const savesPerHour = repos.reduce((sum, repo) => sum + saving(repo) * part(repo), 0);
    return {
      ...{ id, kind: mountKind(readMountId(id).name), bytes, lastUsedAt, inUse, records, savesPerHour },
      ...ownersOf(repos),
    };
  });
  return [...mounts, ...layerCaches(scene, saving)];
}

function layerCaches({ layers, layerUsers }: BuilderScene, saving: (repo: string) => number): BuilderCache[] {
  const ownerOf = ({ id }: LayerRecord) => {
    const repos = layerUsers.get(id) ?? [];
    return repos.length > 1 ? undefined : (repos[0] ?? '');
  };
  return [...Map.groupBy(layers, ownerOf)].flatMap(([repo, own]): BuilderCache[] => {
    if (repo === undefined) return [];
    const bytes = own.reduce((sum, layer) => sum + layer.bytes, 0);
    return [
      {
        ...{ id: `layers ${repo}`, kind: 'layers', bytes, inUse: false },
        lastUsedAt: Math.max(...own.map(({ lastUsedAt }) => lastUsedAt)),
        records: own.map(({ id }) => id),
        savesPerHour: repo === '' ? 0 : (1 - MOUNTS_SHARE) * saving(repo),
        ...ownersOf(repo === '' ? [] : [repo]),
      },
    ];
  });
}

function ownersOf(repos: readonly string[]): Pick<EvictableCache, 'repo' | 'team'> {
  const [team, ...others] = new Set(repos.map((repo) => readCacheKey(repo).team));
  return { repo: repos.length === 1 ? repos[0] : undefined, team: others.length === 0 ? team : undefined };
}
