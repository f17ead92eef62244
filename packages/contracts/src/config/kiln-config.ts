import { z } from 'zod';
import { buildCache, cacheConflict } from '../caches/build-cache.ts';
import { buildRequest, mtimes, storedSecretRef } from '../http/build-request.ts';
import { relativePath } from '../http/fields.ts';
import { globs } from './glob.ts';
import { tagTemplate } from './tag-template.ts';

const {
  target,
  platforms,
  labels,
  timeoutSeconds,
  queueTimeoutSeconds,
  waitForHost,
  priority,
  hostLabels: requestHostLabels,
  weight,
} = buildRequest.shape;

const pushTrigger = z
  .strictObject({
    branches: globs.optional(),
    tags: globs.optional(),
  })
  .nullable()
  .meta({
    description:
      'Pushes of branches and tags. Without lists, or left empty: all of them. With one of the lists: only those.',
  });

const pullRequestTrigger = z
  .strictObject({
    branches: globs.optional().meta({ description: 'Target branches of the pull request. Default: any.' }),
    forks: z.enum(['untrusted', 'ignore']).default('untrusted').meta({
      description:
        'Pull requests from forks: `untrusted` builds them without secrets and push, on separate builders; `ignore` doesn’t build them.',
    }),
  })
  .nullable()
  .meta({ description: 'Pull or merge requests that are opened, reopened or get new commits.' });

const triggers = z
  .strictObject({ push: pushTrigger.optional(), pull_request: pullRequestTrigger.optional() })
  .refine((on) => on.push !== undefined || on.pull_request !== undefined, 'push, pull_request or both')
  .meta({ description: 'The events that trigger a build of an image.' });

const image = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and . _ -, at most 63 long')
    .meta({ description: 'Name of the image in statuses (kiln/NAME) and explanations.' }),
  on: triggers.optional().meta({ description: 'Replaces the top-level `on` for this image.' }),
  paths: globs.optional().meta({ description: 'Build only if a changed path matches. Not used for tags.' }),
  'paths-ignore': globs.optional().meta({ description: 'Changed paths that match are ignored.' }),
  context: relativePath
    .default('.')
    .meta({ description: 'Directory of the repository to use as build context. Default: the root.' }),
  dockerfile: relativePath.default('Dockerfile').meta({ description: 'Path relative to the context.' }),
  target,
  platforms,
  buildArgs: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/, 'a letter or _, then letters, digits, _ . : -'),
      z.string('a string; put numbers, true and false in quotes').max(32_768),
    )
    .default({}),
  labels,
  tags: z.array(tagTemplate).max(64).default([]),
  output: z
    .enum(['push', 'none'])
    .default('none')
    .meta({ description: '`push`: push to the registries of `tags`; `none`: only build.' }),
  secrets: z.array(storedSecretRef).max(64).default([]).meta({
    description: 'Names of stored secrets for `RUN --mount=type=secret,id=NAME`; {id, name} if the id differs.',
  }),
  supersede: z.enum(['none', 'queued', 'running']).optional().meta({
    description:
      'Which older builds of the same branch or pull request a newer one cancels: `none`, `queued` ones, or also `running` ones. Default for pull requests: `running`. Default for branches: none are canceled, but a push is not built if the branch has a newer commit by then; `none` builds it, too. Builds of tags are never superseded.',
  }),
  timeoutSeconds,
  queueTimeoutSeconds,
  waitForHost,
  priority,
  hostLabels: requestHostLabels,
  weight,
  cacheScope: z
    .enum(['repo', 'team', 'pool'])
    .default('repo')
    .meta({ description: 'Which builds share the image’s cache mounts.' }),
  cache: buildCache.optional(),
  mtimes,
});

/** `.kiln.yaml`: the images of a repository and when they are built. Unknown fields are refused. */
export const kilnConfig = z
  .strictObject({
    version: z.literal(1),
    on: triggers.optional().meta({ description: 'Default for all images without their own `on`.' }),
    images: z.array(image).min(1).max(100),
  })
  .superRefine((config, ctx) => {
    const names = new Set<string>();
    config.images.forEach((one, i) => {
      const refuse = (field: string, message: string, input: unknown) =>
        ctx.addIssue({ code: 'custom', path: ['images', i, field], message, input });
      if (names.has(one.name)) refuse('name', 'a name that no other image has', one.name);
      names.add(one.name);
      if (one.output === 'push' && one.tags.length === 0) {
        refuse('tags', 'at least one tag, because output is push', one.tags);
      }
      const conflict = cacheConflict(one);
      if (conflict) refuse(conflict.path.join('.'), conflict.expected, conflict.input);
      if (one.on === undefined && config.on === undefined) {
        refuse('on', 'push, pull_request or both, here or in the top-level `on`', undefined);
      }
      const ids = one.secrets.map((secret) => (typeof secret === 'string' ? secret : secret.id));
      if (new Set(ids).size < ids.length) refuse('secrets', 'different ids', ids);
    });
  })
  .meta({ title: 'Kiln build configuration' });

export type KilnConfig = z.output<typeof kilnConfig>;
export type KilnImage = KilnConfig['images'][number];
export type KilnTriggers = z.output<typeof triggers>;
