/** A cache mount that a repo's recent builds used. */
export interface UsedMount {
  /** `<namespace>/<id>`. */
  readonly id: string;
  readonly bytes: number;
  /** How many builds have used mounts of the repo since, but not this one. */
  readonly missed: number;
}

/** What a repo's recent builds used, wherever they ran. */
export interface RepoUsage {
  readonly repo: string;
  readonly mounts: readonly UsedMount[];
  /** Bytes of the layers that such a build uses. */
  readonly layerBytes: number;
}

/** What one attempt used, as read from the inventory after its end. */
export interface AttemptUsage {
  readonly mounts: readonly { readonly id: string; readonly bytes: number }[];
  readonly layerBytes: number;
  readonly sizesAreFloors: boolean;
}

/** A mount that so many builds in a row didn't use is no part of what the repo needs. */
const FORGET_AFTER_MISSED = 10;
/** Far above what Dockerfiles have; the smallest ones beyond it are left out. */
const MAX_MOUNTS = 64;
/** Weight of the newest size. Sizes differ between hosts: a young mount is smaller. */
const NEWEST_SHARE = 0.5;
/** How fast a repo's layers are believed to have shrunk: a build that fails early, or is wholly cached, uses few. */
const LAYERS_KEPT = 0.8;

/**
 * What is known of a repo after one more attempt. A build that used no mount at all (all cached, or failed before) says nothing
 * of mounts.
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
