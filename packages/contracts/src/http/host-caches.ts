import { TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { perDomain } from './host-report.ts';
import { hostView } from './views.ts';

const instant = z.iso.datetime().meta({ description: 'RFC 3339, UTC' });

/** A cache mount of a host. */
const mountView = z
  .strictObject({
    id: z.string().meta({ description: 'Id with its namespace: `<namespace>/<id>`.' }),
    trust: z.enum(TRUSTS).default('trusted').meta({ description: 'Trust class of its builder.' }),
    domain: z.string().optional().meta({ description: 'Isolation domain of its builder.' }),
    repos: z.array(z.string()).meta({ description: 'Repos whose recent builds used it; empty if none are known.' }),
    bytes: z.int(),
    lastUsedAt: instant,
    inUse: z.boolean(),
    records: z.int().meta({
      description: 'How many records BuildKit has of it; several after parallel builds with `sharing=private`.',
    }),
  })
  .meta({ id: 'CacheMount' });

const inventoryView = z
  .strictObject({
    readAt: instant,
    sizesAreFloors: z.boolean().meta({
      description:
        'Whether the engine measures a cache mount only once, so that it may be larger by now than its `bytes`.',
    }),
    usedByDomain: perDomain(z.int()).optional().meta({ description: 'Used bytes by isolation domain.' }),
    usedBytes: z
      .int()
      .meta({ description: 'Bytes that count against the budget: all except those shared with images.' }),
    mounts: z.array(mountView).meta({ description: 'The last used first.' }),
    mountsLeftOut: z.int().meta({ description: 'How many more mounts there are.' }),
    layers: z.strictObject({ count: z.int(), bytes: z.int() }),
    repos: z
      .array(
        z.strictObject({
          repo: z.string(),
          trust: z
            .enum(TRUSTS)
            .default('trusted')
            .meta({ description: 'Trust class of the builds for which it is warm.' }),
          team: z.string().optional().meta({ description: 'Team of the builds for which it is warm.' }),
          warmth: z.number(),
          bytes: z.int(),
          lastUsedAt: instant,
        }),
      )
      .meta({ description: 'Repos with caches on the host, the warmest first.' }),
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
