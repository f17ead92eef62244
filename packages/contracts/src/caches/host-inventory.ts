import { TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { domainKey, perDomain } from '../http/host-report.ts';

const bytes = z.int().min(0);
/** ms since the epoch. */
const instant = z.int().min(0);

/** At most so many mounts of a builder are published, the last used first. */
export const MAX_PUBLISHED_MOUNTS = 1_000;
/** At most so many repos' layers of a builder, the last used first. */
export const MAX_PUBLISHED_REPOS = 300;

/** What a worker publishes of its builders' caches, added up. */
export const hostInventory = z.strictObject({
  /** Whether a mount may be larger than its `bytes`: then only its presence counts. */
  sizesAreFloors: z.boolean(),
  /** What counts against the host's cache budget. */
  usedBytes: bytes,
  /** By the isolation domain of the builder; absent where there is only that of the pool's trusted builds. */
  usedByDomain: perDomain(bytes).optional(),
  /** The same from workers that knew classes of trust alone, whose names are the keys of the pool's domains. */
  usedByTrust: perDomain(bytes).optional(),
  mounts: z.array(
    z.strictObject({
      /** `<namespace>/<id>`: the same on every host. */
      id: z.string(),
      /** Isolation domain of the builder that holds it; absent: `trust`. */
      domain: domainKey.optional(),
      /** From workers that knew classes of trust alone; absent: trusted. */
      trust: z.enum(TRUSTS).optional(),
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
  /** What the host still has of the layers that a repo's recent builds here used; by cache key. */
  repoLayers: z.array(z.strictObject({ repo: z.string(), bytes, lastUsedAt: instant })),
});
export type HostInventory = z.output<typeof hostInventory>;
