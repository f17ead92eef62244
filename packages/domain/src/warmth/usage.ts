/** A cache mount that a repo's recent builds used. */
export interface UsedMount {
  /** `<namespace>/<id>`. */
  readonly id: string;
  readonly bytes: number;
  /** How many later builds used mounts of the repo, but not this one. */
  readonly missed: number;
}

/** What a repo's recent builds used, on any host. */
export interface RepoUsage {
  readonly repo: string;
  readonly mounts: readonly UsedMount[];
  /** Bytes of the layers that a build of the repo uses. */
  readonly layerBytes: number;
}

/** What one attempt used, derived from the inventory after its end. */
export interface AttemptUsage {
  readonly mounts: readonly { readonly id: string; readonly bytes: number }[];
  readonly layerBytes: number;
  readonly sizesAreFloors: boolean;
}

/** A mount that this many builds in a row didn't use is forgotten. */
const FORGET_AFTER_MISSED = 10;
/** Far more than Dockerfiles have; beyond it the smallest are dropped. */
const MAX_MOUNTS = 64;
/** Weight of the newest size. Sizes differ between hosts, because a new mount is smaller. */
const NEWEST_SHARE = 0.5;
/** How much of a repo's layers is still assumed after a build that used fewer: builds that fail early, or are fully cached, use few. */
const LAYERS_KEPT = 0.8;

/**
 * Returns a repo's usage after one more attempt. A build that used no mount at all (fully cached, or failed early) doesn't change the
 * mounts.
 */
export function learnUsage(before: RepoUsage | undefined, repo: string, used: AttemptUsage): RepoUsage {
  return {
    repo,
    mounts: used.mounts.length === 0 ? (before?.mounts ?? []) : learnMounts(before?.mounts ?? [], used),
    layerBytes: Math.max(Math.round((before?.layerBytes ?? 0) * LAYERS_KEPT), used.layerBytes),
  };
}

function learnMounts(before: readonly UsedMount[], { mounts, sizesAreFloors }: AttemptUsage): UsedMount[] {
  const now = new Map(mounts.map(({ id, bytes }) => [id, bytes]));
  const known = before.flatMap((mount): UsedMount[] => {
    const bytes = now.get(mount.id);
    if (bytes === undefined) return mount.missed < FORGET_AFTER_MISSED ? [{ ...mount, missed: mount.missed + 1 }] : [];
    now.delete(mount.id);
    return [{ id: mount.id, bytes: smoothed(mount.bytes, bytes, sizesAreFloors), missed: 0 }];
  });
  const fresh = [...now].map(([id, bytes]) => ({ id, bytes, missed: 0 }));
  return [...known, ...fresh]
    .sort((a, b) => a.missed - b.missed || b.bytes - a.bytes || (a.id < b.id ? -1 : 1))
    .slice(0, MAX_MOUNTS);
}

function smoothed(before: number, now: number, isFloor: boolean): number {
  return isFloor ? Math.max(before, now) : Math.round(before + (now - before) * NEWEST_SHARE);
}
