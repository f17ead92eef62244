import { CACHE_KINDS, CACHE_SCOPES, TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { mountName } from '../caches/host-task.ts';
import { instant, teamName } from './fields.ts';
import { hostName } from './host-report.ts';
import { taskView } from './tasks.ts';

const repoName = z.string().min(1).max(2_048);
const kind = z.enum(CACHE_KINDS);

/** Query of `GET /v1/caches`. */
export const cacheQuery = z.strictObject({
  repo: repoName.optional(),
  host: hostName.optional(),
  kind: kind.optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
});

const owner = z.strictObject({ repo: z.string(), team: z.string(), trust: z.enum(TRUSTS) });

/** A cache on a host. */
export const cacheView = z
  .strictObject({
    host: hostName,
    kind: kind.meta({
      description:
        '`dependencies` or `outputs` of a cache mount, guessed from its path; `layers`: what the host has of the layers that a repo’s builds use; `tree`: the host’s own copies of contexts.',
    }),
    id: z.string().optional().meta({ description: 'Id of a cache mount with its namespace: `<namespace>/<id>`.' }),
    mount: z.string().optional().meta({ description: 'Target or id of a cache mount, as in the Dockerfile.' }),
    scope: z.enum(CACHE_SCOPES).optional().meta({ description: 'Whose builds share a cache mount.' }),
    repos: z.array(owner).meta({ description: 'Repos whose recent builds used it.' }),
    bytes: z.int(),
    lastUsedAt: instant.optional(),
    inUse: z.boolean().optional(),
    hits: z.int().optional().meta({ description: 'Builds of the repos on this host that found caches.' }),
    savedSeconds: z
      .number()
      .optional()
      .meta({ description: 'What the caches of the repos saved these builds, by estimate.' }),
  })
  .meta({ id: 'Cache' });
export type CacheView = z.output<typeof cacheView>;

export const cacheList = z
  .strictObject({
    caches: z.array(cacheView).meta({ description: 'The largest first.' }),
    omitted: z.int().meta({ description: 'How many more there are.' }),
  })
  .meta({ id: 'CacheList' });
export type CacheListView = z.output<typeof cacheList>;

/** Body of `POST /v1/caches/drop`. Each field narrows what is dropped. */
export const dropRequest = z
  .strictObject({
    repo: repoName.optional().meta({ description: 'Only caches of this repo. Default: of all repos.' }),
    team: teamName.optional().meta({ description: 'Team of the repos. Default: the credential’s own team.' }),
    trust: z.enum(TRUSTS).default('trusted').meta({ description: 'Trust class of the repo’s builds.' }),
    mounts: z.array(mountName).min(1).max(100).optional().meta({
      description: 'Only these cache mounts, by target or id as in the Dockerfile.',
    }),
    kinds: z.array(kind).min(1).optional(),
    hosts: z
      .array(hostName)
      .min(1)
      .max(1_000)
      .optional()
      .meta({ description: 'Only on these hosts. Default: on all.' }),
    unusedForSeconds: z.int().min(0).optional().meta({ description: 'Only what was not used for this long.' }),
    shared: z.boolean().optional().meta({
      description:
        'Also drop mounts that the repo shares with others (`cacheScope`). Those of the whole pool need the scope hosts:operate.',
    }),
    dryRun: z.boolean().optional().meta({ description: 'Drop nothing, and report what would be dropped.' }),
  })
  .meta({ id: 'DropRequest' });
export type DropRequest = z.input<typeof dropRequest>;

export const dropAnswer = z
  .strictObject({
    tasks: z.array(taskView).meta({ description: 'One for each host. `GET /v1/tasks/:id` follows them.' }),
  })
  .meta({ id: 'DropAnswer' });
