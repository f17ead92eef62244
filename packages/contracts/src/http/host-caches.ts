import { TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { perDomain } from './host-report.ts';
import { hostView } from './views.ts';

const instant = z.iso.datetime().meta({ description: 'RFC 3339, UTC' });

/** A cache mount of a host. */
const mountView = z
  .strictObject({
    id: z.string().meta({ description: 'With its namespace: `<namespace>/<id>`.' }),
    trust: z.enum(TRUSTS).default('trusted').meta({ description: 'Class of the builder that holds it.' }),
    domain: z.string().optional().meta({ description: 'Isolation domain of the builder that holds it.' }),
    repos: z
      .array(z.string())
      .meta({ description: 'Repos whose recent builds used it; none where no such build is known.' }),
    bytes: z.int(),
    lastUsedAt: instant,
    inUse: z.boolean(),
    records: z
      .int()
      .meta({ description: 'How many BuildKit has of it: several after builds side by side with `sharing=private`.' }),
  })
  .meta({ id: 'CacheMount' });

const inventoryView = z
  .strictObject({
    readAt: instant,
    sizesAreFloors: z.boolean().meta({
      description: 'True where the engine measures a cache mount only once: it may be larger by now than `bytes` says.',
    }),
    usedByDomain: perDomain(z.int()).optional().meta({ description: 'By isolation domain.' }),
    usedBytes: z.int().meta({ description: 'What counts against the budget: all but what images share.' }),
    mounts: z.array(mountView).meta({ description: 'The last used first.' }),
    mountsLeftOut: z.int().meta({ description: 'How many more there are.' }),
    layers: z.strictObject({ count: z.int(), bytes: z.int() }),
    repos: z
      .array(
        z.strictObject({
          repo: z.string(),
          trust: z.enum(TRUSTS).default('trusted').meta({ description: 'Of the builds that it is warm for.' }),
          team: z.string().optional().meta({ description: 'Whose builds.' }),
          warmth: z.number(),
          bytes: z.int(),
          lastUsedAt: instant,
        }),
      )
      .meta({ description: 'Repos that the host holds something for, the warmest first.' }),
  })
  .meta({ id: 'Inventory' });

/** `GET /v1/hosts/:name`. */
export const hostDetail = z
  .strictObject({
    ...hostView.shape,
    inventory: inventoryView.optional().meta({ description: 'Absent until the host’s caches have been read.' }),
  })
  .meta({ id: 'HostDetail' });
export type HostDetailView = z.output<typeof hostDetail>;
