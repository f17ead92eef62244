import { createHash } from 'node:crypto';
import { type BuildSpec, NAMESPACE_ARG } from '@kiln/contracts';
import type { CacheScope, Trust } from '@kiln/domain';
import { gitContext } from './git-context.ts';
import { outputFlags, tagFlags } from './output-flags.ts';
import type { RunRequest } from './run-request.ts';

/** Features that buildx has only since versions after 0.13. */
export interface BuildxFeatures {
  /** `build --memory`: limits RUN containers. */
  readonly memoryFlag: boolean;
  /** `build --cpus`. */
  readonly cpusFlag: boolean;
  /** `build --call`; before it, `--print` did the same as an experiment. */
  readonly callFlag: boolean;
}

/** Where buildx reads a secret: a variable of its environment, or a file that only it can read. */
export type SecretPlace = { readonly id: string; readonly env: string } | { readonly id: string; readonly src: string };

export interface BuildxInvocation {
  readonly builder: string;
  readonly trust: Trust;
  readonly spec: BuildSpec;
  readonly repo: string;
  readonly context:
    | {
        readonly type: 'git';
        readonly url: string;
        readonly commit: string;
        readonly subdir?: string | undefined;
        /** Absolute path of a Dockerfile to use instead of the commit's. */
        readonly dockerfile?: string;
      }
    | { readonly type: 'directory'; readonly path: string; readonly dockerfile: string };
  /** Absolute paths of the uploaded directories of `spec.buildContexts`, by name. */
  readonly contextDirs?: ReadonlyMap<string, string>;
  readonly secrets: readonly SecretPlace[];
  readonly metadataFile: string;
  readonly internal?: RunRequest['internal'];
  readonly features: BuildxFeatures;
  /** Flags for importing and exporting caches. */
  readonly cacheFlags?: readonly string[];
  /** Replaces the namespace of the repo's cache mounts. */
  readonly namespace?: string | undefined;
  /** Absolute paths of the files for artifacts, if there are several. */
  readonly outputFiles?: readonly string[];
  /** For each target, the name under which its image is loaded into the engine instead of being exported. */
  readonly engineImages?: readonly (string | undefined)[];
  /** Build arguments that the host adds. */
  readonly proxyArgs?: Readonly<Record<string, string>>;
}

/** Returns the argument list of `docker-buildx` for one build. It never passes through a shell. */
export function buildxArguments(invocation: BuildxInvocation): string[] {
  const [engineImage] = invocation.engineImages ?? [];
  const {
    builder,
    trust,
    spec,
    repo,
    context,
    secrets,
    metadataFile,
    features,
    internal,
    cacheFlags = [],
    outputFiles = [],
    proxyArgs,
  } = invocation;
  // Ours comes last: a build argument must not choose whose caches the build uses.
  const namespace =
    internal?.namespace ??
    invocation.namespace ??
    cacheNamespace({ repo, team: spec.team, scope: spec.cacheScope, trust });
  const buildArgs = { ...proxyArgs, ...spec.buildArgs, [NAMESPACE_ARG]: namespace };
  return [
    'build',
    `--builder=${builder}`,
    '--progress=rawjson',
    `--metadata-file=${metadataFile}`,
    `--file=${context.dockerfile ?? spec.dockerfile}`,
    ...optional('--target', spec.target),
    ...pairs('--build-arg', buildArgs),
    ...namedContexts(spec, invocation.contextDirs),
    ...(internal && context.type === 'directory' ? [`--build-context=${internal.contextName}=${context.path}`] : []),
    ...pairs('--label', spec.labels),
    ...(spec.platforms.length > 0 ? [`--platform=${spec.platforms.join(',')}`] : []),
    ...(engineImage === undefined ? tagFlags(spec) : [`--tag=${engineImage}`]),
    ...each('--annotation', spec.annotations),
    ...(spec.noCache ? ['--no-cache'] : []),
    // buildx refuses both together, and a run that is repeated without its cache has the other flag added.
    ...(spec.noCache ? [] : each('--no-cache-filter', spec.noCacheFilter)),
    ...each(
      '--add-host',
      spec.extraHosts?.map(({ host, ip }) => `${host}:${ip}`),
    ),
    ...each('--allow', spec.entitlements),
    ...optional('--network', spec.networkMode),
    ...cacheFlags,
    ...(spec.pull ? ['--pull'] : []),
    ...secrets.map((place) =>
      'env' in place ? `--secret=id=${place.id},env=${place.env}` : `--secret=id=${place.id},src=${place.src}`,
    ),
    ...(engineImage === undefined ? outputFlags(spec, outputFiles) : ['--load']),
    ...callFlags(spec, features),
    ...attestation('--provenance', spec.provenance),
    ...attestation('--sbom', spec.sbom),
    ...(features.memoryFlag ? optional('--memory', spec.resources.memoryBytes) : []),
    ...(features.cpusFlag ? optional('--cpus', spec.resources.cpus) : []),
    ...optional('--shm-size', spec.resources.shmSizeBytes),
    ...each(
      '--ulimit',
      spec.resources.ulimits?.map(({ name, soft, hard }) => `${name}=${soft}:${hard}`),
    ),
    context.type === 'directory' ? context.path : gitContext(context),
  ];
}

function namedContexts({ buildContexts = {} }: BuildSpec, dirs: ReadonlyMap<string, string> = new Map()): string[] {
  return Object.entries(buildContexts).map(([name, context]) => {
    const flag = `--build-context=${name}=`;
    if (context.type === 'image') return `${flag}docker-image://${context.ref}`;
    if (context.type === 'target') return `${flag}target:${context.name}`;
    if (context.type === 'git') return `${flag}${gitContext({ ...context, commit: context.ref })}`;
    const dir = dirs.get(name);
    if (dir === undefined) throw new Error(`no directory for the context ${name}`);
    return context.type === 'upload' ? `${flag}${dir}` : `${flag}oci-layout://${dir}${context.image}`;
  });
}

/** Returns the flags for a call. buildx's exit code is left to say whether it failed: a check that finds something has succeeded. */
function callFlags({ call }: BuildSpec, { callFlag }: BuildxFeatures): string[] {
  if (!call) return [];
  const { method, format } = call;
  if (callFlag) return [`--call=${method},format=${format},ignorestatus=true`];
  return [`--print=${method === 'check' ? 'lint' : method}${format === 'json' ? ',format=json' : ''}`];
}

/** Returns the variables that a call needs. */
export function callEnv({ call }: BuildSpec, { callFlag }: BuildxFeatures): string[] {
  return call && !callFlag ? ['BUILDX_EXPERIMENTAL=1'] : [];
}

/** Returns the requested limits for which this buildx has no flag. */
export function unenforcedLimits(spec: BuildSpec, features: BuildxFeatures): string[] {
  return [
    ...(spec.resources.memoryBytes !== undefined && !features.memoryFlag ? ['memoryBytes'] : []),
    ...(spec.resources.cpus !== undefined && !features.cpusFlag ? ['cpus'] : []),
  ];
}

/**
 * Returns the namespace of a build's cache mounts, by who shares them. It has no `/`: a namespace with one wouldn't split the layer cache.
 * A repo's is a hexadecimal digest, which none of the others can be. Untrusted builds of different repos never share one.
 */
export function cacheNamespace({ repo, team, scope, trust = 'trusted' }: NamespaceOwner): string {
  switch (trust === 'untrusted' ? 'repo' : scope) {
    case 'repo':
      return createHash('sha256').update(repo).digest('hex').slice(0, 16);
    case 'team':
      return `team-${team}`;
    case 'pool':
      return 'pool';
  }
}

export interface NamespaceOwner {
  /** Cache key of the repo. */
  readonly repo: string;
  readonly team: string;
  readonly scope: CacheScope;
  /** Default `trusted`. */
  readonly trust?: Trust;
}

function optional(flag: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [`${flag}=${value}`];
}

function each(flag: string, values: readonly string[] = []): string[] {
  return values.map((value) => `${flag}=${value}`);
}

function pairs(flag: string, values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([key, value]) => `${flag}=${key}=${value}`);
}

function attestation(flag: string, value: boolean | string | undefined): string[] {
  return optional(flag, value === undefined ? undefined : String(value));
}
