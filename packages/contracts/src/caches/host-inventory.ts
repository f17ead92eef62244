import { TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { domainKey, perDomain } from '../http/host-report.ts';

const bytes = z.int().min(0);
/** ms since the epoch. */
const instant = z.int().min(0);

/** How many mounts of a builder are published at most, the last used first. */
export const MAX_PUBLISHED_MOUNTS = 1_000;
/** How many repos' layers of a builder are published at most, the last used first. */
export const MAX_PUBLISHED_REPOS = 300;

/** The sum of the caches of a worker's builders, as it publishes them. */
export const hostInventory = z.strictObject({
  /** Whether mounts may be larger than their `bytes`; then only their presence counts. */
  sizesAreFloors: z.boolean(),
  /** Bytes that count against the host's cache budget. */
  usedBytes: bytes,
  /** By the isolation domain of the builder; absent if there is only that of the pool's trusted builds. */
  usedByDomain: perDomain(bytes).optional(),
  /** The same from older workers, which knew only trust classes; their names are the keys of the pool's domains. */
  usedByTrust: perDomain(bytes).optional(),
  mounts: z.array(
    z.strictObject({
      /** `<namespace>/<id>`: the same on every host. */
      id: z.string(),
      /** Isolation domain of its builder. Absent: `trust`. */
      domain: domainKey.optional(),
      /** From older workers, which knew only trust classes. Absent: trusted. */
      trust: z.enum(TRUSTS).optional(),
      bytes,
      lastUsedAt: instant,
      inUse: z.boolean(),
      /** How many records BuildKit has of it. */
      records: z.int().min(1),
    }),
  ),
  /** How many mounts are not in `mounts`, because there are too many. */
  mountsLeftOut: z.int().min(0),
  /** All layers. */
  layers: z.strictObject({ count: z.int().min(0), bytes }),
  /** What the host still has of the layers that a repo's recent builds used here, by cache key. */
  repoLayers: z.array(z.strictObject({ repo: z.string(), bytes, lastUsedAt: instant })),
});
export type HostInventory = z.output<typeof hostInventory>;
