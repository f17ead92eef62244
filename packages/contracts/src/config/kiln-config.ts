import { z } from 'zod';
import { buildRequest, storedSecretRef } from '../http/build-request.ts';
import { relativePath } from '../http/fields.ts';
import { globs } from './glob.ts';
import { tagTemplate } from './tag-template.ts';

const {
  target,
  platforms,
  labels,
  timeoutSeconds,
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
      'Pushes of branches and tags. With neither list, or nothing at all: all of them. With one of the lists: only those.',
  });

const pullRequestTrigger = z
  .strictObject({
    branches: globs.optional().meta({ description: 'Branches into which the pull request goes. Default: any.' }),
    forks: z.enum(['untrusted', 'ignore']).default('untrusted').meta({
      description: 'Pull requests from forks: built without secrets and push on builders of their own, or not built.',
    }),
  })
  .nullable()
  .meta({ description: 'Pull or merge requests that are opened, reopened or get new commits.' });

const triggers = z
  .strictObject({ push: pushTrigger.optional(), pull_request: pullRequestTrigger.optional() })
  .refine((on) => on.push !== undefined || on.pull_request !== undefined, 'push, pull_request or both')
  .meta({ description: 'The events that an image is built on.' });

const image = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and . _ -, at most 63 long')
    .meta({ description: 'Names the image in statuses (kiln/NAME) and explanations.' }),
  on: triggers.optional().meta({ description: 'Instead of the `on` at the top.' }),
  paths: globs.optional().meta({ description: 'Built only if a changed path matches. Not asked of tags.' }),
  'paths-ignore': globs.optional().meta({ description: 'Changed paths that match don’t count.' }),
  context: relativePath
    .default('.')
    .meta({ description: 'Directory of the repository that is the build context. Default: the root.' }),
  dockerfile: relativePath.default('Dockerfile').meta({ description: 'Relative to the context.' }),
  target,
  platforms,
  buildArgs: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/, 'a letter or _, then letters, digits, _ . : -'),
      z.string('a string; put numbers and true or false in quotes').max(32_768),
    )
    .default({}),
  labels,
  tags: z.array(tagTemplate).max(64).default([]),
  output: z
    .enum(['push', 'none'])
    .default('none')
    .meta({ description: '`push` to the registries of `tags`, or `none`: only build.' }),
  secrets: z.array(storedSecretRef).max(64).default([]).meta({
    description:
      'Names of secrets that the server keeps, given to `RUN --mount=type=secret,id=NAME`; {id, name} where the id differs.',
  }),
  supersede: z.enum(['none', 'queued', 'running']).optional().meta({
    description:
      'What a newer build of the same branch or pull request takes the place of: none, queued builds, or running ones too. Default: running for pull requests; for branches nothing is superseded, but a push that the branch has moved on from by then isn’t built: `none` builds that one, too. Tags: never.',
  }),
  timeoutSeconds,
  priority,
  hostLabels: requestHostLabels,
  weight,
  cacheScope: z
    .enum(['repo', 'team', 'pool'])
    .default('repo')
    .meta({ description: 'Who shares the image’s cache mounts.' }),
});

/** `.kiln.yaml`: the images of a repository and when they are built. Unknown fields are refused. */
export const kilnConfig = z
  .strictObject({
    version: z.literal(1),
    on: triggers.optional().meta({ description: 'For all images that have no `on` of their own.' }),
    images: z.array(image).min(1).max(100),
  })
  .superRefine((config, ctx) => {
    const names = new Set<string>();
    config.images.forEach((one, i) => {
      const complain = (field: string, message: string, input: unknown) =>
        ctx.addIssue({ code: 'custom', path: ['images', i, field], message, input });
      if (names.has(one.name)) complain('name', 'a name that no other image has', one.name);
      names.add(one.name);
      if (one.output === 'push' && one.tags.length === 0) {
        complain('tags', 'at least one tag where output is push', one.tags);
      }
      if (one.on === undefined && config.on === undefined) {
        complain('on', 'push, pull_request or both, here or as `on` at the top', undefined);
      }
      const ids = one.secrets.map((secret) => (typeof secret === 'string' ? secret : secret.id));
      if (new Set(ids).size < ids.length) complain('secrets', 'each id once', ids);
    });
  })
  .meta({ title: 'Kiln build configuration' });

export type KilnConfig = z.output<typeof kilnConfig>;
export type KilnImage = KilnConfig['images'][number];
export type KilnTriggers = z.output<typeof triggers>;
