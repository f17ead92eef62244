import { CACHE_MODES, FAILURE_CODES, ISOLATIONS, TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { buildFilter } from './build-filter.ts';
import { attemptEnd, buildView, stepCounts } from './build-view.ts';
import { buildId, instant } from './fields.ts';
import { hostNetwork } from './host-network.ts';
import { hostDisk, hostLoad, incidentFields, perDomain } from './host-report.ts';

export const buildPage = z
  .strictObject({
    builds: z.array(buildView),
    next: z.string().optional().meta({ description: 'Cursor of the next page; absent on the last one.' }),
  })
  .meta({ id: 'BuildPage' });
export type BuildPage = z.output<typeof buildPage>;

/** Query of `GET /v1/builds`. */
export const buildQuery = z.strictObject({
  ...buildFilter,
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: buildId.optional(),
});

/** Query of `GET /v1/builds/:id`. */
export const waitQuery = z.strictObject({
  wait: z.coerce.number().int().min(0).max(300).default(0).meta({
    description: 'Wait with the response until the build has ended, for at most this many seconds.',
  }),
});

/** Query of `GET /v1/builds/:id/logs`. */
export const logQuery = z.strictObject({
  format: z.enum(['sse', 'text', 'ndjson']).optional(),
  follow: z.stringbool().default(true),
  attempt: z.coerce.number().int().min(1).optional(),
});

const HOST_STATES = ['ready', 'cordoned', 'draining', 'drained', 'removing', 'removed', 'left', 'lost'] as const;

export const hostView = z
  .strictObject({
    name: z.string(),
    state: z.enum(HOST_STATES).meta({
      description:
        '`ready`: accepts builds; `cordoned`: accepts none; `draining`: finishes its builds; `drained`: has finished them; `removing`: hands its builds back; `removed`: is no longer part of the pool; `left`: its worker has left the pool, and an operator’s settings are kept; `lost`: its worker no longer reports.',
    }),
    conditions: z.array(z.string()).optional().meta({
      description:
        'What keeps it from taking builds, without an operator’s doing. `low_disk`: less than its minimum of disk space is free; it ends when there is enough again.',
    }),
    slots: z.int(),
    usedSlots: z.int(),
    labels: z.record(z.string(), z.string()),
    reported: z
      .strictObject({ slots: z.int(), labels: z.record(z.string(), z.string()) })
      .optional()
      .meta({ description: 'What the worker itself reports, if an operator’s settings override it.' }),
    drain: z
      .strictObject({ since: instant, deadline: instant.optional(), caches: z.enum(['moving', 'moved']).optional() })
      .optional()
      .meta({
        description:
          'An operator’s drain. Builds that still run at the deadline are handed back to the pool. `caches`: `moved` once the host has no builds and the pool copies no more of its caches to other hosts; absent until the scheduler has decided.',
      }),
    platforms: z.array(z.string()).meta({ description: 'Platforms whose programs it runs, natively or by emulation.' }),
    emulated: z
      .array(z.string())
      .optional()
      .meta({ description: 'Those of them that it runs by emulation. Absent: none, or not known.' }),
    driver: z.string(),
    trust: z.array(z.enum(TRUSTS)).default(['trusted']).meta({
      description: 'Trust classes whose builds it accepts, on separate builders that share no caches.',
    }),
    isolation: z.enum(ISOLATIONS).default('pool').meta({
      description:
        'Which builds share a builder and its caches: those of a team, of a repo of a team, or of the whole pool.',
    }),
    oneDomain: z.boolean().default(false).meta({
      description: 'Whether it serves only one isolation domain, that of its first build (driver `docker`).',
    }),
    domain: z
      .string()
      .optional()
      .meta({ description: 'The only isolation domain that it serves, such as `trusted team web`.' }),
    cacheModes: z.array(z.enum(CACHE_MODES)).optional().meta({
      description: 'Cache modes that it can build with. Absent: only `warm`.',
    }),
    engineVersion: z.string(),
    buildxVersion: z.string(),
    buildkitVersion: z.string().optional(),
    disk: hostDisk.optional().meta({ description: 'The file system of the worker’s data.' }),
    load: hostLoad.optional().meta({ description: 'Absent if the worker doesn’t report it.' }),
    network: hostNetwork.optional().meta({
      description: 'What is set for builders: registries, certificates, proxies, DNS, limits. Absent if nothing is.',
    }),
    builds: z.array(z.strictObject({ id: buildId, attempt: z.int() })),
    lastSeenAt: instant,
    domainsAway: z
      .array(z.string())
      .optional()
      .meta({ description: 'Isolation domains whose builders do not answer, or are being repaired.' }),
    incidents: z
      .array(z.strictObject({ at: instant, ...incidentFields }).meta({ id: 'BuilderIncident' }))
      .optional()
      .meta({ description: 'What was wrong with its builders lately, and what was done about it, the oldest first.' }),
    cacheBudgetBytes: z.int().optional().meta({ description: 'The host’s cache budget.' }),
    cacheBudgets: perDomain(z.int()).optional().meta({ description: 'The budget of each isolation domain.' }),
    cacheBudgetFrom: z.enum(['configured', 'engine', 'estimated']).optional().meta({
      description:
        'Where the budget comes from: Kiln’s configuration, the engine’s, or an estimate from the size of the disk.',
    }),
    caches: z
      .strictObject({
        readAt: instant,
        usedBytes: z.int(),
        usedByDomain: perDomain(z.int()).optional(),
        mounts: z.int(),
        warmRepos: z.int().meta({ description: 'Repos with a warmth of at least one half.' }),
        sizesAreFloors: z.boolean(),
      })
      .optional()
      .meta({ description: 'Absent until the host’s caches have been read.' }),
  })
  .meta({ id: 'Host' });
export type HostInfoView = z.output<typeof hostView>;

export const hostList = z.strictObject({ hosts: z.array(hostView) }).meta({ id: 'HostList' });

const prediction = z
  .strictObject({
    startAt: instant,
    finishAt: instant,
    runMs: z.int(),
    warmth: z.number().meta({ description: '0 to 1, at the start.' }),
  })
  .meta({ id: 'Prediction' });

export const placementView = z
  .strictObject({
    build: buildId,
    decisions: z.array(
      z.strictObject({
        attempt: z.int().meta({ description: 'The attempt to which the decision led, or would have led.' }),
        host: z.string().nullable(),
        reason: z.string(),
        limit: z
          .int()
          .optional()
          .meta({ description: 'How many builds may run at a time, if that limit is the reason.' }),
        decidedAt: instant,
        predicted: prediction
          .optional()
          .meta({ description: 'The prediction for the chosen host, or for the one that it waits for.' }),
        considered: z
          .array(
            z.strictObject({
              host: z.string(),
              slots: z.int(),
              usedSlots: z.int(),
              warmth: z
                .number()
                .meta({ description: '0 to 1: how much of what the repo’s recent builds used was there.' }),
              verdict: z.string(),
              serves: z
                .string()
                .optional()
                .meta({ description: 'The only isolation domain that it serves, if that rules it out.' }),
              seeding: z.strictObject({ from: z.string(), readyAt: instant }).optional().meta({
                description:
                  'The copy of the repo’s caches that is on its way to it: from which host, and when it is expected there; or one that arrived and that no build has used yet.',
              }),
              predicted: prediction.optional(),
              extras: z.record(z.string(), z.int()).optional().meta({
                description:
                  'What a run there would have cost other builds, by name, in ms. Negative values favour the host.',
              }),
            }),
          )
          .meta({ description: 'The hosts, the best first; in a large pool only the best.' }),
        others: z
          .record(z.string(), z.int())
          .optional()
          .meta({ description: 'How many hosts aren’t listed, by verdict.' }),
        actual: z
          .strictObject({
            startedAt: instant,
            waitedMs: z.int().meta({ description: 'From the decision to the start.' }),
            endedAt: instant.optional(),
            runMs: z.int().optional(),
            end: attemptEnd.optional(),
            code: z.enum(FAILURE_CODES).optional().meta({
              description:
                'Why the attempt did not succeed: of one that was `lost`, why the build returned to the queue.',
            }),
            steps: stepCounts.optional(),
          })
          .optional()
          .meta({ description: 'How the attempt of this decision went, after it has begun.' }),
      }),
    ),
  })
  .meta({ id: 'Placement' });
export type PlacementInfoView = z.output<typeof placementView>;

export const contextView = z
  .strictObject({ digest: z.string(), sizeBytes: z.int(), entries: z.int() })
  .meta({ id: 'Context' });
export type ContextView = z.output<typeof contextView>;
