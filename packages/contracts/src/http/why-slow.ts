import { z } from 'zod';
import { attemptEnd, stepCounts } from './build-view.ts';
import { buildId, instant } from './fields.ts';

const FILES_UNKNOWN = ['tree_swept', 'not_recorded', 'other_source'] as const;

const COMPARED = [
  'instruction',
  'settings',
  'build_arguments',
  'base_image',
  'files',
  'remote_content',
  'earlier_steps',
] as const;

const fileChange = z.strictObject({
  path: z.string(),
  change: z.enum(['added', 'changed', 'removed']),
  within: z
    .literal(true)
    .optional()
    .meta({ description: 'Something in this directory: the tree is too large for its files to be recorded.' }),
});

const step = {
  step: z.string().optional().meta({ description: 'The earlier step that differs, if it isn’t the step itself.' }),
};
const instructionChanged = z
  .strictObject({
    type: z.literal('instruction_changed'),
    ...step,
    from: z.string().optional().meta({ description: 'Absent if the instruction was added.' }),
    to: z.string().optional().meta({ description: 'Absent if the instruction was removed.' }),
  })
  .meta({ description: 'An instruction of the Dockerfile was changed, added or removed.' });
const filesChanged = z
  .strictObject({
    type: z.literal('files_changed'),
    ...step,
    added: z.int(),
    changed: z.int(),
    removed: z.int(),
    paths: z.array(fileChange).meta({ description: 'The first ten.' }),
    atLeast: z.literal(true).optional().meta({ description: 'The counts are at least that.' }),
  })
  .meta({ description: 'Files that the step reads from the build context differ.' });
const argumentChanged = z.strictObject({
  type: z.literal('build_argument_changed'),
  ...step,
  names: z.array(z.string()),
});
const imageMoved = z
  .strictObject({
    type: z.literal('base_image_moved'),
    ...step,
    image: z.string(),
    from: z.string(),
    to: z.string(),
  })
  .meta({ description: 'The base image’s name has another digest now.' });
const scopeChanged = z.strictObject({
  type: z.literal('cache_scope_changed'),
  ...step,
  from: z.string(),
  to: z.string(),
});
const remoteChanged = z
  .strictObject({
    type: z.literal('remote_content_changed'),
    ...step,
    url: z.string().meta({ description: 'Of an ADD. The whole instruction if the URL has the value of an argument.' }),
    from: z.string().meta({ description: 'Digest of what it returned to the earlier build.' }),
    to: z.string(),
  })
  .meta({ description: 'A URL or git repository that an ADD fetches returned something else.' });
const differences = [
  instructionChanged,
  filesChanged,
  argumentChanged,
  imageMoved,
  remoteChanged,
  scopeChanged,
] as const;
const difference = z.discriminatedUnion('type', differences).meta({ id: 'StepDifference' });

const eviction = z.strictObject({
  at: instant,
  bytes: z.int(),
  reason: z.string().meta({ description: '`budget`, `repo_cap`, `team_cap` or `low_disk`.' }),
  roomFor: z
    .string()
    .optional()
    .meta({ description: 'The repo that the host built last before, if it is one of the same team.' }),
});

const notCompared = z
  .strictObject({
    what: z.enum(['files', 'build_arguments', 'settings', 'remote_content', 'everything']),
    why: z.enum([
      ...FILES_UNKNOWN,
      'variable_sources',
      'large_tree',
      'dockerfile_not_recorded',
      'other_key',
      'step_not_recorded',
    ]),
    names: z.array(z.string()).optional(),
  })
  .meta({ id: 'NotCompared' });

const cause = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('no_cache') }).meta({ description: 'The build asked for no cache.' }),
    z
      .strictObject({ type: z.literal('fresh_builder'), mode: z.string() })
      .meta({ description: 'The builder was made for this build, and had no cache.' }),
    z
      .strictObject({ type: z.literal('first_build') })
      .meta({ description: 'No earlier build of the repo with the same target and platforms has a record.' }),
    z
      .strictObject({ type: z.literal('first_on_host'), also: difference.optional() })
      .meta({ description: 'The repo has no earlier successful build on this host.' }),
    ...differences,
    z
      .strictObject({ type: z.literal('parent_missed'), parent: z.int() })
      .meta({ description: 'It is based on a step that was not cached: its index in `list`.' }),
    z
      .strictObject({
        type: z.literal('evicted'),
        lost: z.int(),
        of: z.int(),
        since: instant.meta({ description: 'End of the repo’s last build on the host.' }),
        evictions: z.array(eviction).optional(),
      })
      .meta({
        description: 'Nothing differs, and layers that the repo’s last build on the host had used were gone.',
      }),
    z
      .strictObject({
        type: z.literal('unknown'),
        compared: z.array(z.enum(COMPARED)).meta({ description: 'What was compared, and is the same.' }),
        notCompared: z.array(notCompared),
      })
      .meta({ description: 'The cause isn’t known.' }),
  ])
  .meta({ id: 'MissCause' });
export type CauseView = z.output<typeof cause>;

const ms = z.int().min(0);

export const whySlowView = z
  .strictObject({
    build: buildId,
    attempt: z.int().optional().meta({ description: 'The attempt that is explained: by default the last one.' }),
    host: z.string().optional(),
    end: attemptEnd.optional(),
    notRecorded: z.enum(['not_started', 'running', 'storing', 'not_recorded']).optional().meta({
      description:
        'Why there is nothing to explain. `storing`: the attempt has just ended, and its worker has not stored the record yet; ask again in a few seconds. `not_recorded`: the worker was of an older version, stored no record of the attempt, or the record has been deleted.',
    }),
    comparedWith: z
      .strictObject({ build: buildId, attempt: z.int(), host: z.string(), finishedAt: instant })
      .optional()
      .meta({
        description:
          'The last successful build of the repo with the same target and platforms before this one: on the same host if there is one.',
      }),
    steps: z
      .strictObject({
        ...stepCounts.shape,
        first: z
          .int()
          .optional()
          .meta({ description: 'Index of the first step that was not cached for a reason of its own.' }),
        leftOut: z.int().optional(),
        list: z.array(
          z.strictObject({
            name: z.string(),
            state: z.enum(['cached', 'ran', 'failed', 'canceled', 'not_run']),
            ms: ms.optional(),
            cause: cause.optional(),
          }),
        ),
      })
      .optional()
      .meta({ description: 'Instructions of the Dockerfile, in its order, each after those that it is based on.' }),
    changedSecrets: z
      .array(z.string())
      .optional()
      .meta({ description: 'Secrets with another value. BuildKit’s cache doesn’t depend on them.' }),
    mounts: z
      .array(
        z.strictObject({
          id: z.string(),
          state: z.enum(['warm', 'cold', 'unknown']),
          beforeBytes: z.int().optional(),
          afterBytes: z.int().optional(),
        }),
      )
      .optional()
      .meta({ description: 'The cache mounts that the build used.' }),
    sizesAreFloors: z.boolean().optional().meta({ description: 'Mounts may be larger than their bytes.' }),
    time: z
      .strictObject({
        totalMs: ms,
        queueMs: ms,
        contextMs: ms,
        pullMs: ms,
        runMs: ms,
        exportMs: ms,
        idleMs: ms,
      })
      .optional()
      .meta({ description: 'Where the time went, from when the attempt was queued. The kinds add up to `totalMs`.' }),
    usual: z
      .strictObject({ runMs: ms, builds: z.int() })
      .optional()
      .meta({ description: 'Median of how long the repo’s last successful builds like this one ran.' }),
    coldMs: ms.optional().meta({ description: 'How long a build of the repo is expected to run without its caches.' }),
    savedMs: z
      .int()
      .optional()
      .meta({ description: '`coldMs` less the time that this build ran. Only of successful builds.' }),
  })
  .meta({ id: 'WhySlow' });
export type WhySlowView = z.output<typeof whySlowView>;

export const whySlowQuery = z.strictObject({
  attempt: z.coerce
    .number()
    .int()
    .min(1)
    .max(9_999)
    .optional()
    .meta({ description: 'Number of an attempt. Default: the last one.' }),
});
