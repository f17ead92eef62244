import { BUILD_STATES, FAILURE_CODES, ISOLATIONS, TERMINAL_STATES, TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { buildSpec } from './build-request.ts';
import { buildId, instant } from './fields.ts';
import { hostDisk, perDomain } from './host-report.ts';

export const failureView = z
  .strictObject({
    code: z.enum(FAILURE_CODES),
    message: z.string(),
    step: z.string().optional(),
    exitCode: z.int().optional(),
    excerpt: z.string().optional(),
  })
  .meta({ id: 'Failure' });

const attemptEnd = z.enum([...TERMINAL_STATES, 'lost']);
const stepCounts = z.strictObject({ total: z.int(), cached: z.int() });

export const attemptView = z
  .strictObject({
    number: z.int(),
    host: z.string(),
    assignedAt: instant,
    startedAt: instant.optional(),
    endedAt: instant.optional(),
    end: attemptEnd.optional(),
    failure: failureView.optional(),
  })
  .meta({ id: 'Attempt' });

export const buildView = z
  .strictObject({
    id: buildId,
    state: z.enum(BUILD_STATES),
    revision: z.int().meta({ description: 'Grows by one with every change.' }),
    repo: z.string().meta({ description: 'Affinity key: normalised origin, subdirectory, Dockerfile.' }),
    team: z.string(),
    trust: z.enum(TRUSTS).default('trusted').meta({
      description:
        '`untrusted`: submitted by a credential that is, or from a fork; runs on builders for such builds, whose caches it shares with its team’s untrusted builds of the repo, whatever `cacheScope` says. Without secrets, loading nothing, pushing only what a rule of the server’s allows.',
    }),
    createdAt: instant,
    queuedAt: instant,
    startedAt: instant.optional(),
    finishedAt: instant.optional(),
    durationMs: z.int().optional().meta({ description: 'From the start of the last attempt to the end.' }),
    host: z.string().optional(),
    commit: z.string().optional(),
    retryOf: buildId.optional(),
    cancelRequestedAt: instant.optional(),
    cancelCameTooLate: z
      .boolean()
      .optional()
      .meta({ description: 'The build, or its push, had already finished when the cancel came.' }),
    supersededBy: buildId.optional().meta({
      description: 'The newer build of the same `concurrencyKey` that canceled this one, or came too late to.',
    }),
    sharedRun: buildId.optional().meta({
      description:
        'The build whose run this one shares (`dedupe`): log, artifact and placement are that one’s. It stays `queued` until the run ends.',
    }),
    releasedAt: instant.optional().meta({
      description:
        'When it was canceled while others shared its run: it goes on for them, and is canceled with the last of them.',
    }),
    steps: stepCounts.optional(),
    result: z
      .strictObject({
        digest: z.string().optional(),
        configDigest: z.string().optional(),
        pushed: z.array(z.string()).optional(),
        loaded: z.array(z.string()).optional(),
        artifact: z.strictObject({ digest: z.string(), sizeBytes: z.int() }).optional(),
      })
      .optional(),
    failure: failureView.optional(),
    attempts: z.array(attemptView),
    request: buildSpec,
    links: z.strictObject({
      self: z.string(),
      logs: z.string(),
      placement: z.string(),
      artifact: z.string().optional(),
    }),
  })
  .meta({ id: 'Build' });
export type BuildView = z.output<typeof buildView>;

export const buildPage = z
  .strictObject({
    builds: z.array(buildView),
    next: z.string().optional().meta({ description: 'Cursor of the next page; absent on the last one.' }),
  })
  .meta({ id: 'BuildPage' });
export type BuildPage = z.output<typeof buildPage>;

/** Query of `GET /v1/builds`. */
export const buildQuery = z.strictObject({
  repo: z.string().min(1).max(1024).optional(),
  state: z.enum(BUILD_STATES).optional(),
  team: z.string().min(1).max(63).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: buildId.optional(),
});

/** Query of `GET /v1/builds/:id`. */
export const waitQuery = z.strictObject({
  wait: z.coerce.number().int().min(0).max(300).default(0).meta({
    description: 'Hold the answer until the build has ended, for at most so many seconds.',
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
        '`ready` takes builds; `cordoned` takes none; `draining` finishes what it holds, `drained` has; `removing` hands back what it holds, `removed` is no part of the pool any more; `left`: its worker ended in order, an operator’s settings are kept; `lost`: its worker is silent.',
    }),
    slots: z.int(),
    usedSlots: z.int(),
    labels: z.record(z.string(), z.string()),
    reported: z
      .strictObject({ slots: z.int(), labels: z.record(z.string(), z.string()) })
      .optional()
      .meta({ description: 'What the worker itself reports, where an operator’s settings go before it.' }),
    drain: z
      .strictObject({ since: instant, deadline: instant.optional() })
      .optional()
      .meta({ description: 'An operator’s drain; what still runs at the deadline is handed back to the pool.' }),
    platforms: z.array(z.string()),
    driver: z.string(),
    trust: z.array(z.enum(TRUSTS)).default(['trusted']).meta({
      description: 'Classes whose builds it takes, each on a builder of its own. None gets caches of another’s.',
    }),
    isolation: z.enum(ISOLATIONS).default('pool').meta({
      description:
        'Who shares a builder, and so caches, there: builds of a team, of a repo of a team, or of the whole pool.',
    }),
    oneDomain: z.boolean().default(false).meta({
      description: 'Whether it serves one isolation domain only, the first whose build it runs (driver `docker`).',
    }),
    domain: z
      .string()
      .optional()
      .meta({ description: 'The one isolation domain that it serves, as `trusted team web`.' }),
    engineVersion: z.string(),
    buildxVersion: z.string(),
    buildkitVersion: z.string().optional(),
    disk: hostDisk.optional().meta({ description: 'Of the file system that holds the worker’s data.' }),
    builds: z.array(z.strictObject({ id: buildId, attempt: z.int() })),
    lastSeenAt: instant,
    cacheBudgetBytes: z.int().optional().meta({ description: 'How much cache the host keeps.' }),
    cacheBudgets: perDomain(z.int()).optional().meta({ description: 'The part of each isolation domain.' }),
    cacheBudgetFrom: z.enum(['configured', 'engine', 'estimated']).optional().meta({
      description: 'Who says so: Kiln’s configuration, the engine’s, or a guess from the size of the disk.',
    }),
    caches: z
      .strictObject({
        readAt: instant,
        usedBytes: z.int(),
        usedByDomain: perDomain(z.int()).optional(),
        mounts: z.int(),
        warmRepos: z.int().meta({ description: 'Repos that are warm there by at least one half.' }),
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
        attempt: z.int().meta({ description: 'The attempt that the decision led to, or would have led to.' }),
        host: z.string().nullable(),
        reason: z.string(),
        limit: z
          .int()
          .optional()
          .meta({ description: 'How many builds there may be at a time, where that is the reason.' }),
        decidedAt: instant,
        predicted: prediction.optional().meta({ description: 'On the host chosen, or on the one that it waits for.' }),
        considered: z
          .array(
            z.strictObject({
              host: z.string(),
              slots: z.int(),
              usedSlots: z.int(),
              warmth: z
                .number()
                .meta({ description: '0 to 1: how much of what the repo’s last builds used was there.' }),
              verdict: z.string(),
              serves: z
                .string()
                .optional()
                .meta({ description: 'The one isolation domain that it serves, where that rules it out.' }),
              predicted: prediction.optional(),
              extras: z.record(z.string(), z.int()).optional().meta({
                description:
                  'What a run there would have cost other builds, ms, by name; what is below zero spoke for the host.',
              }),
            }),
          )
          .meta({ description: 'The best first; of a large pool only those.' }),
        others: z
          .record(z.string(), z.int())
          .optional()
          .meta({ description: 'How many hosts aren’t listed, by their verdict.' }),
        actual: z
          .strictObject({
            startedAt: instant,
            waitedMs: z.int().meta({ description: 'From the decision to the start.' }),
            endedAt: instant.optional(),
            runMs: z.int().optional(),
            end: attemptEnd.optional(),
            steps: stepCounts.optional(),
          })
          .optional()
          .meta({ description: 'How the attempt went that the decision led to, once it has begun.' }),
      }),
    ),
  })
  .meta({ id: 'Placement' });
export type PlacementInfoView = z.output<typeof placementView>;

export const contextView = z
  .strictObject({ digest: z.string(), sizeBytes: z.int(), entries: z.int() })
  .meta({ id: 'Context' });
export type ContextView = z.output<typeof contextView>;
