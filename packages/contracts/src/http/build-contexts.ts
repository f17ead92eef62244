import { parseReference } from '@kiln/domain';
import { z } from 'zod';
import { bakeTargetName } from './bake-links.ts';
import { contextDigest, gitRef, gitUrl, relativePath } from './fields.ts';

export const gitSource = z
  .strictObject({
    type: z.literal('git'),
    url: gitUrl,
    ref: gitRef.optional().meta({ description: 'Branch, tag, full ref or commit. Default: the remote HEAD.' }),
    subdir: relativePath.optional().meta({ description: 'Directory of the repository to use as build context.' }),
  })
  .meta({ id: 'GitSource' });

/** Stored with the build's record, unlike a context. */
const MAX_DOCKERFILE_CHARS = 128 * 1024;

/** A repository as a build's main context. */
export const gitBuildSource = gitSource
  .extend({
    dockerfileText: z.string().min(1).max(MAX_DOCKERFILE_CHARS).optional().meta({
      description: 'The Dockerfile, if it is not in the repository.',
    }),
  })
  .meta({ id: 'GitBuildSource' });

const times = contextDigest.optional().meta({
  description: 'Digest of an uploaded file with the modification times of the tree, as in `source.times`.',
});

/** A name or image reference by which a Dockerfile names the context. */
export const contextName = z
  .string()
  .max(255, { abort: true })
  .regex(
    /^[a-z0-9][a-z0-9._/-]*(?::[A-Za-z0-9_][A-Za-z0-9._-]*)?(?:@sha256:[0-9a-f]{64})?$/,
    'the name of a stage or image, in lower case',
  );

/** `:tag` or `@sha256:…` of an image in an OCI layout. */
const LAYOUT_IMAGE = /^(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$/;

export const namedContext = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('image'),
      ref: z
        .string()
        .max(512, { abort: true })
        .refine(
          (text) => parseReference(text) !== undefined,
          'an image reference [registry[:port]/]name[:tag|@digest]',
        ),
    }),
    gitSource,
    z.strictObject({ type: z.literal('upload'), digest: contextDigest, times }),
    z.strictObject({
      type: z.literal('oci-layout'),
      digest: contextDigest,
      image: z.string().regex(LAYOUT_IMAGE, ':tag or @sha256: and 64 hexadecimal digits'),
    }),
    z.strictObject({ type: z.literal('target'), name: bakeTargetName }),
  ])
  .meta({
    id: 'NamedContext',
    description:
      'What a Dockerfile’s `FROM`, `COPY --from` or `RUN --mount=from=` finds under a name: an `image` of a registry, a commit of a `git` repository, an uploaded directory (`upload`), an image of an uploaded OCI layout (`oci-layout`), or the result of another `target` in `bake`.',
  });
export type NamedContext = z.output<typeof namedContext>;
export type NamedContextInput = z.input<typeof namedContext>;

const MAX_CONTEXTS = 32;

export const buildContexts = z
  .record(contextName, namedContext)
  .refine((contexts) => Object.keys(contexts).length <= MAX_CONTEXTS, `at most ${MAX_CONTEXTS} contexts`)
  .optional()
  .meta({
    description:
      'Additional contexts by name, as `docker buildx build --build-context`. Each replaces the stage or image of its name.',
  });

/** A directory that was uploaded for a named context. */
export interface UploadedContext {
  readonly name: string;
  readonly digest: string;
  readonly times?: string | undefined;
}

/** Returns the uploaded directories among a build's named contexts. */
export function uploadedContexts(contexts: Readonly<Record<string, NamedContext>> = {}): UploadedContext[] {
  return Object.entries(contexts).flatMap(([name, context]) => {
    if (context.type === 'upload') return [{ name, digest: context.digest, times: context.times }];
    return context.type === 'oci-layout' ? [{ name, digest: context.digest }] : [];
  });
}
