import { BUILD_STATES, CREATOR_KINDS, FAILURE_CODES, TERMINAL_STATES, TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { buildSpec } from './build-request.ts';
import { buildId, instant } from './fields.ts';

export const failureView = z
  .strictObject({
    code: z.enum(FAILURE_CODES),
    message: z.string(),
    step: z.string().optional(),
    exitCode: z.int().optional(),
    excerpt: z.string().optional(),
  })
  .meta({ id: 'Failure' });

export const attemptEnd = z.enum([...TERMINAL_STATES, 'lost']);
export const stepCounts = z.strictObject({ total: z.int(), cached: z.int() });

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

const imageResult = z.strictObject({
  digest: z.string().optional(),
  configDigest: z.string().optional(),
  manifest: z
    .strictObject({ mediaType: z.string(), sizeBytes: z.int() })
    .optional()
    .meta({ description: 'What `digest` names: the manifest of an image, or an index of several.' }),
  imageBytes: z.int().optional().meta({
    description:
      'Size of the image that was pushed: its configuration and compressed layers, of all platforms, without attestations. Absent if the host couldn’t measure it.',
  }),
  pushed: z.array(z.string()).optional(),
  loaded: z.array(z.string()).optional(),
});

export const buildView = z
  .strictObject({
    id: buildId,
    state: z.enum(BUILD_STATES),
    revision: z.int().meta({ description: 'Grows by one with every change.' }),
    repo: z.string().meta({ description: 'Affinity key: normalised origin, subdirectory, Dockerfile.' }),
    team: z.string(),
    trust: z.enum(TRUSTS).default('trusted').meta({
      description:
        '`untrusted`: submitted with an untrusted credential, or from a fork. Runs on builders for untrusted builds, and shares caches only with its team’s untrusted builds of the repo, whatever its `cacheScope`. It gets no secrets, can’t load images, and pushes only what a rule of the server allows.',
    }),
    traceId: z
      .string()
      .optional()
      .meta({ description: 'The trace that the build is part of, if it is traced: 32 hexadecimal digits.' }),
    createdBy: z
      .strictObject({ kind: z.enum(CREATOR_KINDS), id: z.string(), name: z.string() })
      .optional()
      .meta({
        description:
          'Who asked for it: a credential (a token, or a CI’s identity), a person, the connection whose webhook came, or a schedule. Absent if an older version accepted it.',
      }),
    createdAt: instant,
    queuedAt: instant,
    waiting: z
      .strictObject({
        reason: z.string(),
        host: z.string().optional(),
        limit: z.int().optional(),
        decidedAt: instant,
        startAt: instant
          .optional()
          .meta({ description: 'When it is expected to start. Absent if that can’t be told.' }),
        ahead: z.int().optional().meta({
          description:
            'How many queued builds of the pool were accepted before it. Priorities, fairness between teams and warm hosts may change the order.',
        }),
      })
      .optional()
      .meta({
        description:
          'Why it waits for a host, by the last placement decision: the reason, the host that it waits for, or the limit that is reached. Only in lists and when a build is read.',
      }),
    queueTimeoutSeconds: z.number().optional().meta({
      description: 'How long it may wait for a host, by its request or by the server’s default. Absent: without limit.',
    }),
    startedAt: instant.optional(),
    finishedAt: instant.optional(),
    durationMs: z.int().optional().meta({ description: 'From the start of the last attempt to its end.' }),
    host: z.string().optional(),
    commit: z.string().optional(),
    retryOf: buildId.optional(),
    cancelRequestedAt: instant.optional(),
    cancelCameTooLate: z
      .boolean()
      .optional()
      .meta({ description: 'The build or its push had already finished when it was canceled.' }),
    supersededBy: buildId.optional().meta({
      description:
        'The newer build with the same `concurrencyKey` that canceled this one, or tried to and was too late.',
    }),
    sharedRun: buildId.optional().meta({
      description:
        'The build whose run this one shares (`dedupe`), with its log, artifact and placement. This build stays `queued` until the run ends.',
    }),
    releasedAt: instant.optional().meta({
      description:
        'When it was canceled while other builds shared its run. The run continues for them, and is canceled with the last of them.',
    }),
    steps: stepCounts.optional(),
    result: z
      .strictObject({
        ...imageResult.shape,
        targets: z.record(z.string(), imageResult).optional().meta({
          description:
            'The images by target, if the build has several (`bake`). The fields beside it are of the request’s own target, but for `pushed` and `loaded`, which have all.',
        }),
        notPushed: z
          .array(z.string())
          .optional()
          .meta({ description: 'With `pushed`, if the build failed or was canceled between its pushes.' }),
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
