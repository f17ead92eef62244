import { z } from 'zod';

const bytes = z.int().min(0);
/** ms since the epoch. */
const instant = z.int().min(0);

/** At most so many mounts are published, the last used first. */
export const MAX_PUBLISHED_MOUNTS = 1_000;
/** At most so many repos' layers, the last used first. */
export const MAX_PUBLISHED_REPOS = 300;

/** What a worker publishes of its builder's caches. */
export const hostInventory = z.strictObject({
  /** Whether a mount may be larger than its `bytes`: then only its presence counts. */
  sizesAreFloors: z.boolean(),
  /** What counts against the host's cache budget. */
  usedBytes: bytes,
  mounts: z.array(
    z.strictObject({
      /** `<namespace>/<id>`: the same on every host. */
      id: z.string(),
      bytes,
      lastUsedAt: instant,
      inUse: z.boolean(),
      /** Records of BuildKit's that it consists of. */
      records: z.int().min(1),
    }),
  ),
  /** Mounts beyond the bound, which are not in `mounts`. */
  mountsLeftOut: z.int().min(0),
  /** Of all layers. */
  layers: z.strictObject({ count: z.int().min(0), bytes }),
  /** What the host still has of the layers that a repo's recent builds here used. */
  repoLayers: z.array(z.strictObject({ repo: z.string(), bytes, lastUsedAt: instant })),
});
export type HostInventory = z.output<typeof hostInventory>;
