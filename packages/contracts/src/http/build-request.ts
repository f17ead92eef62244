import { CACHE_SCOPES, PRIORITIES, repoOrigin, type SecretRef } from '@kiln/domain';
import { z } from 'zod';
import { buildCache, cacheConflict } from '../caches/build-cache.ts';
import { bakeFaults, bakeTargetName, MAX_BAKE_TARGETS, targetSecrets } from './bake-links.ts';
import { MAX_BASE64_CHARS, secretProblems } from './binary-secrets.ts';
import { buildContexts, gitBuildSource } from './build-contexts.ts';
import { clientLogins, clientLoginsView } from './client-logins.ts';
import { MTIME_MODES, NAMESPACE_ARG, SUPERSEDE_MODES } from './constants.ts';
import { contextDigest, relativePath, secretName, tagReference, teamName } from './fields.ts';
import { hostLabels } from './host-labels.ts';
import { outputSpec } from './output-spec.ts';
import { outputConflicts } from './outputs-of.ts';
import { annotations, call, entitlements, extraHosts, networkMode, noCacheFilter, runLimits } from './run-options.ts';

export const uploadSource = z
  .strictObject({
    type: z.literal('upload'),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$/, 'a name of letters, digits and . _ - / : @, at most 255 long')
      .meta({ description: 'Name of the project; builds with the same name share caches.' }),
    digest: contextDigest.optional().meta({
      description:
        'Digest of the root directory of a tree that was uploaded before. Not needed if the context is in the same multipart request, as a tar.',
    }),
    times: contextDigest.optional().meta({
      description:
        'Digest of an uploaded file with the modification time of each entry of the tree: ns since the epoch, 8 bytes each, big-endian and signed; depth first, each directory before its contents, names in the order of their bytes. Needed with `digest` if `mtimes` is `submitted`. If it is `stable`, only the times of directories and symbolic links, in the same order; a host gives them to those that are new to it.',
    }),
  })
  .meta({ id: 'UploadSource' });

const shortText = (max: number) => z.string().min(1).max(max);
const name = (what: string) =>
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/, `${what}: a letter or _, then letters, digits, _ . : -`);

/** A stored secret: its name, which is then also its id in the build, or both. */
export const storedSecretRef = z.union([secretName, z.strictObject({ id: secretName, name: secretName })]);

const MAX_STORED_SECRETS = 64;
const MAX_QUEUE_SECONDS = 7 * 86_400;

/** Returns the stored secrets that a request names, with their ids. */
export function storedSecretsOf({ storedSecrets = [] }: Pick<BuildSpec, 'storedSecrets'>): SecretRef[] {
  return storedSecrets.map((one) => (typeof one === 'string' ? { id: one, name: one } : one));
}

/** Returns the repository whose secrets a build gets: its git source, or the name of the upload. */
export function secretRepoOf({ source }: Pick<BuildSpec, 'source'>): string {
  return repoOrigin(source.type === 'git' ? source.url : source.name);
}

/** Attestations are passed to buildx: on, off, or in its own notation `mode=max`. */
const attestation = z.union([
  z.boolean(),
  z
    .string()
    .max(2_048, { abort: true })
    .regex(/^[a-z]+=\S+$/, 'key=value[,key=value]'),
]);

export const mtimes = z.enum(MTIME_MODES).default('stable').meta({
  description:
    'Modification times of the files of the context. `stable`: a file keeps its time from one build of the repo to the next until its content changes, so that tools such as make find what is out of date; `submitted`: those that were sent, or those of a checkout.',
});

/** A build request with only one target. */
const oneTarget = z
  .strictObject({
    source: z.discriminatedUnion('type', [gitBuildSource, uploadSource]),
    team: teamName.default('default').meta({ description: 'Default: the credential’s own team, if it has one.' }),
    dockerfile: relativePath.default('Dockerfile'),
    target: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'the name of a stage')
      .optional(),
    buildArgs: z.record(name('build argument'), z.string().max(32_768)).default({}),
    secrets: z.record(name('secret id'), z.string().max(MAX_BASE64_CHARS)).default({}).meta({
      description:
        'Values by id, for `RUN --mount=type=secret,id=…`. They are sealed before they are stored, and never shown again.',
    }),
    binarySecrets: z.array(name('secret id')).max(MAX_STORED_SECRETS).optional().meta({
      description: 'Ids in `secrets` whose values are bytes in base64, because they are no text in UTF-8.',
    }),
    storedSecrets: z.array(storedSecretRef).max(MAX_STORED_SECRETS).optional().meta({
      description:
        'Names of stored secrets (`PUT /v1/secrets`) for `RUN --mount=type=secret,id=NAME`; {id, name} if the id differs. The repo’s own secrets take precedence over the team’s. They are read when the build starts.',
    }),
    registryLogins: clientLogins.optional(),
    labels: z.record(shortText(256), z.string().max(4096)).default({}),
    platforms: z
      .array(
        z.string().regex(/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9]+)?$/, 'os/architecture[/variant], such as linux/amd64'),
      )
      .max(16)
      .default([]),
    tags: z.array(tagReference).max(64).default([]),
    output: outputSpec.default({ type: 'none' }),
    call,
    entitlements,
    networkMode,
    annotations,
    noCache: z.boolean().default(false),
    noCacheFilter,
    extraHosts,
    cacheScope: z.enum(CACHE_SCOPES).default('repo').meta({
      description:
        'Which builds share the build’s cache mounts: those of its repo, those of its team with the same scope, or all with the same scope. Builds that share a mount can change what the others find in it. No scope crosses the isolation of the host (by default, the team). Untrusted builds share their mounts only with their team’s untrusted builds of the repo.',
    }),
    cache: buildCache.optional(),
    buildContexts,
    pull: z.boolean().default(false),
    mtimes,
    timeoutSeconds: z.int().min(1).max(86_400).default(3_600),
    queueTimeoutSeconds: z.int().min(0).max(MAX_QUEUE_SECONDS).optional().meta({
      description:
        'How long the build may wait for a host, counted from its submission without the time on hosts that were lost; then it fails with `queue_timeout`. 0: without limit. Default: the server’s.',
    }),
    waitForHost: z.boolean().optional().meta({
      description:
        'Whether to wait even if no host of the pool could ever take the build, because one that can will join. Default: false; the build then fails with `no_fitting_host`.',
    }),
    priority: z.enum(PRIORITIES).default('normal'),
    weight: z.int().min(1).max(64).default(1).meta({
      description:
        'How many slots the build occupies on its host, for example 2 if it needs the resources of two builds.',
    }),
    hostLabels: hostLabels.default({}).meta({ description: 'Labels that a host must have to run the build.' }),
    concurrencyKey: z
      .string()
      .regex(/^[^\s\p{Cc}]{1,255}$/u, '1 to 255 characters without white space or control characters')
      .optional()
      .meta({
        description:
          'Identifies a sequence of builds of a team, such as those of one branch, in which newer ones supersede older ones.',
      }),
    supersede: z.enum(SUPERSEDE_MODES).optional().meta({
      description:
        'Which older builds with the same `concurrencyKey` this one cancels: `queued`: those that still wait for a host; `running`: all of them. They end as `canceled` with failure code `superseded`.',
    }),
    dedupe: z.boolean().default(false).meta({
      description:
        'Share the run of an identical build in flight (same team, source, options and secrets, and also with `dedupe`). This build then ends as that one does, and `sharedRun` contains its id. The run of a git ref that is not a full commit is shared only until it begins.',
    }),
    resources: z
      .strictObject({
        memoryBytes: z
          .int()
          .min(6 * 1024 * 1024)
          .optional(),
        cpus: z.number().positive().max(1024).optional(),
        ...runLimits,
      })
      .default({})
      .meta({
        description: 'Limits of RUN containers. Those of memory and CPUs need a recent buildx on the host.',
      }),
    provenance: attestation.optional(),
    sbom: attestation.optional(),
  })
  .superRefine((request, ctx) => {
    const ids = new Set(Object.keys(request.secrets));
    for (const [i, { id }] of storedSecretsOf(request).entries()) {
      if (ids.has(id)) {
        const message = 'an id that no other secret of the build has';
        ctx.addIssue({ code: 'custom', path: ['storedSecrets', i], message, input: id });
      }
      ids.add(id);
    }
    for (const { path, expected: message, input } of secretProblems(request))
      ctx.addIssue({ code: 'custom', path, message, input });
    if (Object.hasOwn(request.buildArgs, NAMESPACE_ARG)) {
      ctx.addIssue({
        code: 'custom',
        path: ['buildArgs', NAMESPACE_ARG],
        message:
          'it to be absent, because Kiln sets this build argument; use cacheScope to choose who shares cache mounts',
        input: request.buildArgs[NAMESPACE_ARG],
      });
    }
    for (const { path, expected: message, input } of outputConflicts(request))
      ctx.addIssue({ code: 'custom', path, message, input });
    if (request.networkMode === 'host' && !request.entitlements?.includes('network.host')) {
      const message = '"network.host", because networkMode is host';
      ctx.addIssue({ code: 'custom', path: ['entitlements'], message, input: request.entitlements });
    }
    if (request.call && request.output.type !== 'none') {
      const message = '"none", because call is given, which builds nothing';
      ctx.addIssue({ code: 'custom', path: ['output', 'type'], message, input: request.output.type });
    }
    if (request.noCache && request.noCacheFilter?.length) {
      ctx.addIssue({
        code: 'custom',
        path: ['noCacheFilter'],
        message: 'no stages, because noCache is set and covers all',
        input: request.noCacheFilter,
      });
    }
    const conflict = cacheConflict(request);
    if (conflict) {
      const { path, expected: message, input } = conflict;
      ctx.addIssue({ code: 'custom', path, message, input });
    }
    if (request.supersede !== undefined && request.concurrencyKey === undefined) {
      ctx.addIssue({
        code: 'custom',
        path: ['concurrencyKey'],
        message: 'a key, because supersede is given',
        input: request.concurrencyKey,
      });
    }
    if (request.concurrencyKey !== undefined && request.supersede === undefined) {
      ctx.addIssue({
        code: 'custom',
        path: ['supersede'],
        message: '"queued" or "running", because concurrencyKey is given',
        input: request.supersede,
      });
    }
  });

const { source, dockerfile, target, buildArgs, labels, platforms, tags, output, noCache, pull, resources } =
  oneTarget.shape;
const { provenance, sbom } = oneTarget.shape;

/** A further target of a bake file. */
const bakeTarget = z
  .strictObject({
    ...{ source, dockerfile, target, buildArgs, labels, platforms, tags, output, annotations, noCache, noCacheFilter },
    ...{ extraHosts, buildContexts, pull, resources, provenance, sbom },
    secrets: targetSecrets,
  })
  .superRefine(({ secrets: _, ...own }, ctx) => {
    for (const { path, message } of oneTarget.safeParse(own).error?.issues ?? []) {
      ctx.addIssue({ code: 'custom', path: [...path], message, input: path.reduce(fieldOf, own) });
    }
    if (own.source.type === 'upload' && own.source.digest === undefined) {
      const expected = 'the digest of an uploaded context';
      ctx.addIssue({ code: 'custom', path: ['source', 'digest'], message: expected, input: undefined });
    }
  })
  .meta({
    description: 'A target that is built together with others. Its fields are those of a build request.',
  });

function fieldOf(value: unknown, key: PropertyKey): unknown {
  return (value as Record<PropertyKey, unknown> | undefined)?.[key];
}

const bake = z
  .strictObject({
    name: bakeTargetName.meta({ description: 'Name of the target that the request itself describes.' }),
    secrets: targetSecrets,
    targets: z
      .record(bakeTargetName, bakeTarget)
      .refine((targets) => Object.keys(targets).length <= MAX_BAKE_TARGETS, `at most ${MAX_BAKE_TARGETS} targets`),
  })
  .optional()
  .meta({
    description:
      'Further targets of a bake file, which one run of `docker buildx bake` builds together with the request’s own, because some use the results of others (contexts of type `target`). What isn’t in a target is common to all of them.',
  });

/** Body of `POST /v1/builds`. Unknown fields are refused. */
export const buildRequest = oneTarget
  .safeExtend({ bake })
  .superRefine((request, ctx) => {
    if (request.bake && (request.entitlements?.length || request.networkMode)) {
      const path = [request.networkMode ? 'networkMode' : 'entitlements'];
      const message = 'it to be absent, because linked targets have neither network modes nor entitlements';
      ctx.addIssue({ code: 'custom', path, message, input: request.networkMode ?? request.entitlements });
    }
    for (const { path, expected, input } of bakeFaults(request)) {
      ctx.addIssue({ code: 'custom', path: [...path], message: expected, input });
    }
    if (request.bake && request.call) {
      const message = 'none, because bake is given, whose targets are built';
      ctx.addIssue({ code: 'custom', path: ['call'], message, input: request.call });
    }
  })
  .meta({ id: 'BuildRequest' });

export type BuildRequestInput = z.input<typeof buildRequest>;
export type BuildRequest = z.output<typeof buildRequest>;

const { registryLogins: _, ...specShape } = buildRequest.shape;

/** A request as it is stored. Secrets and logins are removed and sealed separately; an upload names its context. */
export const buildSpec = z.strictObject({
  ...specShape,
  secrets: z.array(z.string()).meta({ description: 'Only the ids.' }),
  clientLogins: clientLoginsView.optional(),
});
export type BuildSpec = z.output<typeof buildSpec>;
