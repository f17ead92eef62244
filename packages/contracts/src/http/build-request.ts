import { PRIORITIES } from '@kiln/domain';
import { z } from 'zod';
import { contextDigest, gitRef, gitUrl, relativePath, tagReference, teamName } from './fields.ts';
import { hostLabels } from './host-report.ts';

export const gitSource = z
  .strictObject({
    type: z.literal('git'),
    url: gitUrl,
    ref: gitRef.optional().meta({ description: 'Branch, tag, full ref or commit. Default: the remote HEAD.' }),
    subdir: relativePath.optional().meta({ description: 'Directory inside the repository that is the build context.' }),
  })
  .meta({ id: 'GitSource' });

export const uploadSource = z
  .strictObject({
    type: z.literal('upload'),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$/, 'a name of letters, digits and . _ - / : @, at most 255 long')
      .meta({ description: 'Name of the project; builds of the same name share caches.' }),
    digest: contextDigest.optional().meta({
      description: 'A context uploaded before. Not needed where the tar comes in the same multipart request.',
    }),
  })
  .meta({ id: 'UploadSource' });

const shortText = (max: number) => z.string().min(1).max(max);
const name = (what: string) =>
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/, `${what}: a letter or _, then letters, digits, _ . : -`);

export const outputSpec = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('none') }),
    z.strictObject({ type: z.literal('push') }),
    z.strictObject({ type: z.literal('load') }),
    z.strictObject({ type: z.literal('artifact') }),
  ])
  .meta({
    id: 'Output',
    description:
      'What becomes of the result: `push` to the registries of `tags`, `load` into the host’s engine, `artifact` (the final stage’s files as a tar to download), `none`.',
  });

/** Attestations are passed through as buildx takes them: on, off, or its own `mode=max` notation. */
const attestation = z.union([
  z.boolean(),
  z.string().regex(/^[a-z]+=[^\s]{1,200}(,[a-z]+=[^\s]{1,200})*$/, 'key=value[,key=value]'),
]);

/** `POST /v1/builds`. Unknown fields are refused. */
export const buildRequest = z
  .strictObject({
    source: z.discriminatedUnion('type', [gitSource, uploadSource]),
    team: teamName.default('default').meta({ description: 'Default: the credential’s own team, where it has one.' }),
    dockerfile: relativePath.default('Dockerfile'),
    target: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'the name of a stage')
      .optional(),
    buildArgs: z.record(name('build argument'), z.string().max(32_768)).default({}),
    secrets: z
      .record(name('secret id'), z.string().max(512 * 1024))
      .default({})
      .meta({
        description: 'By id, for `RUN --mount=type=secret,id=…`. Sealed before they are stored, and never shown again.',
      }),
    labels: z.record(shortText(256), z.string().max(4096)).default({}),
    platforms: z
      .array(
        z.string().regex(/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9]+)?$/, 'os/architecture[/variant], such as linux/amd64'),
      )
      .max(16)
      .default([]),
    tags: z.array(tagReference).max(64).default([]),
    output: outputSpec.default({ type: 'none' }),
    noCache: z.boolean().default(false),
    pull: z.boolean().default(false),
    timeoutSeconds: z.int().min(1).max(86_400).default(3_600),
    priority: z.enum(PRIORITIES).default('normal'),
    weight: z
      .int()
      .min(1)
      .max(64)
      .default(1)
      .meta({ description: 'Slots that the build takes on its host: 2 for one that needs the room of two.' }),
    hostLabels: hostLabels.default({}).meta({ description: 'Labels that a host must have to run the build.' }),
    resources: z
      .strictObject({
        memoryBytes: z
          .int()
          .min(6 * 1024 * 1024)
          .optional(),
        cpus: z.number().positive().max(1024).optional(),
      })
      .default({})
      .meta({ description: 'Limits of RUN containers, where the host’s buildx knows them.' }),
    provenance: attestation.optional(),
    sbom: attestation.optional(),
  })
  .superRefine((request, ctx) => {
    if (request.output.type === 'push' && request.tags.length === 0) {
      ctx.addIssue({
        code: 'custom',
        path: ['tags'],
        message: 'at least one tag where output.type is push',
        input: request.tags,
      });
    }
    if (request.output.type === 'load' && request.platforms.length > 1) {
      ctx.addIssue({
        code: 'custom',
        path: ['platforms'],
        message: 'one platform where output.type is load: an engine holds one',
        input: request.platforms,
      });
    }
  })
  .meta({ id: 'BuildRequest' });

export type BuildRequestInput = z.input<typeof buildRequest>;
export type BuildRequest = z.output<typeof buildRequest>;

/** Below this name a Dockerfile from outside of the context travels in an uploaded tar; it is no part of the context itself. */
export const OUTSIDE_DOCKERFILE = '.kiln.Dockerfile';

/** A request as it is stored: secrets are taken out and sealed apart; an upload names its context. */
export const buildSpec = z.strictObject({
  ...buildRequest.shape,
  secrets: z.array(z.string()).meta({ description: 'Ids only.' }),
});
export type BuildSpec = z.output<typeof buildSpec>;
