import { CACHE_MODES, CACHE_SCOPES, PRIORITIES } from '@kiln/domain';
import type { FlagSpec, FlagTable } from '../../../framework/flags.ts';
import { CONNECTION_FLAGS } from '../../../server/find-server.ts';

/** Flags with the names and meanings of `docker buildx build`. */
export const DOCKER_FLAGS = {
  tag: { kind: 'list', short: 't', value: 'NAME', help: 'Name of the image: [registry/]name[:tag] (repeatable)' },
  file: {
    kind: 'text',
    short: 'f',
    value: 'FILE',
    help: 'Dockerfile; - reads it from standard input (default: PATH/Dockerfile)',
  },
  'build-arg': {
    kind: 'list',
    value: 'KEY[=VALUE]',
    help: 'Build argument; without a value, that of the environment variable (repeatable)',
  },
  'build-context': {
    kind: 'list',
    value: 'NAME=VALUE',
    help: 'Further context: a directory, a git URL, docker-image://IMAGE or oci-layout://DIR[:TAG] (repeatable)',
  },
  secret: {
    kind: 'list',
    value: 'id=ID[,src=FILE|,env=VAR]',
    help: 'Secret for RUN --mount=type=secret (repeatable)',
  },
  target: { kind: 'text', value: 'STAGE', help: 'Stage to build (default: the last one)' },
  platform: { kind: 'list', value: 'OS/ARCH,…', help: 'Target platforms' },
  push: { kind: 'bool', help: 'Push to the registries of the tags; same as --output=type=registry' },
  load: {
    kind: 'bool',
    values: ['host'],
    help: "Load the image into this machine's engine; same as --output=type=docker. --load=host: into that of the build's host",
  },
  output: {
    kind: 'list',
    short: 'o',
    value: 'DIR|-|type=…',
    help: 'Destination: type=local,dest=DIR; type=tar, type=oci or type=docker with dest=FILE or dest=-; type=docker alone (same as --load); type=registry; type=image,push=true; type=cacheonly (repeatable)',
  },
  call: {
    kind: 'text',
    value: 'METHOD',
    help: 'Evaluate the Dockerfile instead of building it: check, outline or targets, with ,format=json for JSON (default: build)',
  },
  check: { kind: 'bool', help: 'Check the Dockerfile; same as --call=check' },
  print: { kind: 'text', value: 'METHOD', help: 'Older name of --call' },
  'no-cache': { kind: 'bool', help: 'Run every step, with empty cache mounts' },
  'no-cache-filter': { kind: 'list', value: 'STAGE', help: 'Run every step of this stage (repeatable)' },
  'cache-from': {
    kind: 'list',
    value: 'REF|type=…',
    help: 'Caches to import: type=registry,ref=REF or type=s3,bucket=…,region=… (repeatable)',
  },
  'cache-to': {
    kind: 'list',
    value: 'REF|type=…',
    help: 'Where to export caches, in the same notation; mode=min or mode=max (the default) (repeatable)',
  },
  pull: { kind: 'bool', help: 'Pull newer versions of base images' },
  label: { kind: 'list', value: 'KEY=VALUE', help: 'Label of the image (repeatable)' },
  annotation: {
    kind: 'list',
    value: '[LEVEL:]KEY=VALUE',
    help: 'Annotation of the image; LEVEL: manifest (the default), index, manifest-descriptor or index-descriptor, or several with commas, each with [PLATFORM] if needed (repeatable)',
  },
  provenance: { kind: 'text', value: 'BOOL|mode=…', help: 'Provenance attestation' },
  sbom: { kind: 'text', value: 'BOOL|generator=…', help: 'SBOM attestation' },
  attest: { kind: 'list', value: 'type=…', help: 'Attestation: type=provenance,… or type=sbom,… (repeatable)' },
  memory: { kind: 'text', short: 'm', value: 'BYTES', help: 'Memory limit of RUN containers, such as 512m or 2g' },
  'shm-size': { kind: 'text', value: 'BYTES', help: 'Size of /dev/shm in RUN steps, such as 128m' },
  ulimit: {
    kind: 'list',
    value: 'NAME=SOFT[:HARD]',
    help: 'Resource limit of processes in RUN steps, such as nofile=1024:2048 (repeatable)',
  },
  'add-host': { kind: 'list', value: 'HOST:IP', help: 'Address of a host name in RUN steps (repeatable)' },
  network: {
    kind: 'text',
    value: 'MODE',
    help: 'Network of RUN steps: default, none, or host where the operator grants network.host',
  },
  allow: {
    kind: 'list',
    value: 'ENTITLEMENT',
    help: 'Privilege that RUN steps may ask for, where the operator grants it: network.host or security.insecure (repeatable)',
  },
  'metadata-file': { kind: 'text', value: 'FILE', help: "Write the build's metadata to a file, as JSON" },
  iidfile: { kind: 'text', value: 'FILE', help: "Write the image's ID to a file" },
  progress: {
    kind: 'text',
    value: 'MODE',
    help: 'auto, plain, tty, quiet or rawjson (default: $BUILDKIT_PROGRESS or auto)',
  },
  quiet: { kind: 'bool', short: 'q', help: "Show no progress and print the image's ID" },
} as const satisfies FlagTable;

/** Kiln's own flags. */
export const KILN_FLAGS = {
  repo: {
    kind: 'text',
    value: 'NAME',
    help: "Project whose caches to use (default: the directory's git remote, or its name)",
  },
  cache: {
    kind: 'text',
    value: 'MODE',
    help: `Where caches come from: ${CACHE_MODES.join(', ')} (default: warm)`,
  },
  'cache-key': {
    kind: 'text',
    value: 'KEY',
    help: 'Archive of the repo to use with --cache archive, such as a branch',
  },
  'cache-scope': {
    kind: 'text',
    value: 'SCOPE',
    help: `Who shares the cache mounts: ${CACHE_SCOPES.join(', ')} (default: repo)`,
  },
  mtimes: {
    kind: 'text',
    value: 'MODE',
    help: `Modification times of files: stable (a file keeps its time until its content changes) or submitted (those of the directory) (default: stable)`,
  },
  'stored-secret': {
    kind: 'list',
    value: '[ID=]NAME',
    help: 'Secret stored with kiln secret set, for RUN --mount=type=secret,id=ID (default ID: NAME; repeatable)',
  },
  'no-client-logins': {
    kind: 'bool',
    help: "Don't send this machine's logins to the registries that the build names; same as KILN_CLIENT_LOGINS=off",
  },
  'client-login': {
    kind: 'list',
    value: 'REGISTRY',
    help: "Send this machine's login to a registry that only the Dockerfile of a git source or tar names (repeatable)",
  },
  ref: { kind: 'text', value: 'REF', help: 'Branch, tag or commit of a git source' },
  team: { kind: 'text', value: 'NAME', help: 'Team that the build belongs to (default: $KILN_TEAM)' },
  priority: { kind: 'text', value: 'CLASS', help: `${PRIORITIES.join(', ')} (default: normal)` },
  timeout: { kind: 'text', value: 'DURATION', help: 'Time limit of the build, such as 90s, 20m or 2h (default: 1h)' },
  'queue-timeout': {
    kind: 'text',
    value: 'DURATION',
    help: "How long to wait for a host at most, such as 10m; 0: without limit (default: the server's, 24h)",
  },
  'wait-for-host': {
    kind: 'bool',
    help: 'Wait even if no host of the pool can take the build, until one that can has joined',
  },
  'concurrency-key': {
    kind: 'text',
    value: 'KEY',
    help: 'Group of builds of which newer ones replace older ones; see --supersede',
  },
  supersede: {
    kind: 'text',
    value: 'WHICH',
    help: 'Cancel older builds with the same concurrency key: queued (only waiting ones) or running (all)',
  },
  dedupe: { kind: 'bool', help: 'Share the run of an identical build that is in flight, if it has --dedupe too' },
  cpus: { kind: 'text', value: 'N', help: 'CPU limit of RUN containers' },
  weight: { kind: 'text', value: 'N', help: 'Slots that the build takes on its host (default: 1)' },
  'host-label': {
    kind: 'list',
    value: 'KEY=VALUE',
    help: 'Run only on hosts with this label; kiln host ls lists labels (repeatable)',
  },
  detach: { kind: 'bool', short: 'd', help: "Print the build's id and exit without following it" },
  json: { kind: 'bool', help: 'Print log records, then the build, as JSON lines' },
  'idempotency-key': {
    kind: 'text',
    value: 'KEY',
    help: 'Key that can create at most one build, however often it is sent',
  },
} as const satisfies FlagTable;

/** A flag of buildx without an effect in Kiln, and why. */
export interface DecidedFlag extends FlagSpec {
  readonly why: string;
  /** Values that ask for what Kiln does anyway, so that the flag needs no decision. */
  readonly harmless?: readonly string[];
}

const LIMITS = 'use --memory and --cpus';

/** Flags of buildx that don't apply to a pool and don't affect the result. They are ignored with a warning. */
export const IGNORED_FLAGS = {
  builder: { kind: 'text', why: 'Kiln chooses the host and its builder' },
  'cgroup-parent': { kind: 'text', why: 'the operator of a host chooses the cgroup of its builders' },
  compress: { kind: 'bool', why: 'Kiln compresses what it sends where that helps' },
  debug: { kind: 'bool', short: 'D', why: 'the logs of the server and its hosts have the details' },
  'disable-content-trust': { kind: 'bool', why: 'BuildKit does not verify content trust' },
  'force-rm': { kind: 'bool', why: 'BuildKit leaves no containers behind' },
  rm: { kind: 'bool', why: 'BuildKit leaves no containers behind' },
  root: { kind: 'text', why: 'Kiln starts no buildx server' },
  'server-config': { kind: 'text', why: 'Kiln starts no buildx server' },
} as const satisfies Readonly<Record<string, DecidedFlag>>;

/** Flags of buildx that Kiln doesn't support and that affect the result. They are refused. */
export const REFUSED_FLAGS = {
  'cpu-period': { kind: 'text', why: LIMITS },
  'cpu-quota': { kind: 'text', why: LIMITS },
  'cpu-shares': { kind: 'text', why: LIMITS },
  'cpuset-cpus': { kind: 'text', why: LIMITS },
  'cpuset-mems': { kind: 'text', why: LIMITS },
  isolation: { kind: 'text', harmless: ['default', ''], why: 'hosts run Linux, which has only the default' },
  'memory-swap': { kind: 'text', why: LIMITS },
  policy: {
    kind: 'list',
    why: 'hosts evaluate no policies; the operator sets which registries and frontends are allowed',
  },
  'security-opt': { kind: 'list', why: 'BuildKit has no such options' },
  squash: { kind: 'bool', why: 'BuildKit cannot squash; COPY --from the stage into one that begins with FROM scratch' },
  ssh: {
    kind: 'list',
    why: 'no agent is forwarded to the hosts; pass a deploy key or a token with --secret, or clone over https://',
  },
} as const satisfies Readonly<Record<string, DecidedFlag>>;

/** Kiln's own flags with the name of a flag of buildx, and what buildx means by it. */
export const RENAMED_FLAGS = {
  detach: 'buildx detaches from its server, which Kiln doesn’t start; here, the command ends after the submission',
} as const satisfies Partial<Record<keyof typeof KILN_FLAGS, string>>;

/** All flags that `kiln build` knows. */
export const BUILD_FLAGS = {
  ...DOCKER_FLAGS,
  ...KILN_FLAGS,
  ...CONNECTION_FLAGS,
  ...IGNORED_FLAGS,
  ...REFUSED_FLAGS,
} as const;
