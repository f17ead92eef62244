import type { FlagTable } from '../../../framework/flags.ts';

/** Spelt and meant as in `docker buildx build`. */
export const DOCKER_FLAGS = {
  tag: { kind: 'list', short: 't', value: 'NAME', help: 'Name of the image: [registry/]name[:tag]' },
  file: {
    kind: 'text',
    short: 'f',
    value: 'FILE',
    help: 'Dockerfile (default: PATH/Dockerfile); - reads it from standard input',
  },
  'build-arg': {
    kind: 'list',
    value: 'KEY[=VALUE]',
    help: 'Build argument; without a value, the variable of that name',
  },
  secret: { kind: 'list', value: 'id=ID[,src=FILE|,env=VAR]', help: 'Secret for RUN --mount=type=secret' },
  target: { kind: 'text', value: 'STAGE', help: 'Stop at this stage' },
  platform: { kind: 'list', value: 'OS/ARCH,…', help: 'Build for these platforms' },
  push: { kind: 'bool', help: 'Push to the registries of the tags: the same as --output=type=registry' },
  load: { kind: 'bool', help: "Load into the engine of the host that built it (not this machine's)" },
  output: {
    kind: 'list',
    short: 'o',
    value: 'DIR|-|type=…',
    help: 'type=local,dest=DIR; type=tar,dest=FILE; type=registry; type=image,push=true; type=docker (loads); type=cacheonly',
  },
  'no-cache': { kind: 'bool', help: 'Run every step anew, with empty cache mounts' },
  pull: { kind: 'bool', help: 'Ask the registry for newer base images' },
  label: { kind: 'list', value: 'KEY=VALUE', help: 'Label of the image' },
  provenance: { kind: 'text', value: 'BOOL|mode=…', help: 'Provenance attestation' },
  sbom: { kind: 'text', value: 'BOOL|generator=…', help: 'SBOM attestation' },
  attest: { kind: 'list', value: 'type=…', help: 'type=provenance,… or type=sbom,…' },
  memory: { kind: 'text', short: 'm', value: 'BYTES', help: 'Memory limit of RUN containers: 512m, 2g' },
  'metadata-file': { kind: 'text', value: 'FILE', help: 'Write what came out, as JSON' },
  iidfile: { kind: 'text', value: 'FILE', help: "Write the image's ID" },
  progress: {
    kind: 'text',
    value: 'MODE',
    help: 'auto, plain, tty, quiet or rawjson (default: $BUILDKIT_PROGRESS or auto)',
  },
  quiet: { kind: 'bool', short: 'q', help: "No progress; the image's ID on standard output" },
} as const satisfies FlagTable;

/** Kiln's own. */
export const KILN_FLAGS = {
  repo: {
    kind: 'text',
    value: 'NAME',
    help: "Project whose caches to use (default: the directory's git remote, else its name)",
  },
  'cache-scope': {
    kind: 'text',
    value: 'SCOPE',
    help: 'Who shares the cache mounts: repo, team or pool (default: repo)',
  },
  'stored-secret': {
    kind: 'list',
    value: '[ID=]NAME',
    help: 'A secret that Kiln keeps (kiln secret set), for RUN --mount=type=secret,id=ID (default: NAME)',
  },
  ref: { kind: 'text', value: 'REF', help: 'Branch, tag or commit of a git source' },
  team: { kind: 'text', value: 'NAME', help: 'Team that the build counts for (default: $KILN_TEAM)' },
  priority: { kind: 'text', value: 'CLASS', help: 'interactive, normal or batch' },
  timeout: { kind: 'text', value: 'DURATION', help: 'End the build after so long: 90s, 20m, 2h (default: 1h)' },
  'concurrency-key': {
    kind: 'text',
    value: 'KEY',
    help: 'Builds of the same key follow on each other; with --supersede',
  },
  supersede: {
    kind: 'text',
    value: 'WHICH',
    help: 'Cancel older builds of the same key: queued (those that wait) or running (all)',
  },
  dedupe: { kind: 'bool', help: 'Share the run of an identical build in flight that has --dedupe, too' },
  cpus: { kind: 'text', value: 'N', help: 'CPU limit of RUN containers' },
  weight: { kind: 'text', value: 'N', help: 'Slots that the build takes on its host (default: 1)' },
  'host-label': { kind: 'list', value: 'KEY=VALUE', help: 'Only on a host with this label (kiln hosts shows them)' },
  detach: { kind: 'bool', short: 'd', help: "Don't follow: print the build's id and leave" },
  json: { kind: 'bool', help: 'Log records, then the build, as JSON lines on standard output' },
  'idempotency-key': { kind: 'text', value: 'KEY', help: 'The same key never makes two builds' },
} as const satisfies FlagTable;

/** Flags of buildx that a pool has no use for. They can't change what is built: named on stderr, and passed over. */
export const IGNORED_FLAGS = {
  builder: { kind: 'text' },
  'cache-from': { kind: 'list' },
  'cache-to': { kind: 'list' },
  'cgroup-parent': { kind: 'text' },
  compress: { kind: 'bool' },
  'disable-content-trust': { kind: 'bool' },
  'force-rm': { kind: 'bool' },
  rm: { kind: 'bool' },
  debug: { kind: 'bool', short: 'D' },
} as const satisfies FlagTable;

/** Flags of buildx without which the build would be another one: refused. */
export const REFUSED_FLAGS = {
  'add-host': { kind: 'list' },
  allow: { kind: 'list' },
  annotation: { kind: 'list' },
  'build-context': { kind: 'list' },
  call: { kind: 'text' },
  check: { kind: 'bool' },
  'cpu-period': { kind: 'text' },
  'cpu-quota': { kind: 'text' },
  'cpu-shares': { kind: 'text' },
  'cpuset-cpus': { kind: 'text' },
  'cpuset-mems': { kind: 'text' },
  isolation: { kind: 'text' },
  'memory-swap': { kind: 'text' },
  network: { kind: 'text' },
  'no-cache-filter': { kind: 'list' },
  policy: { kind: 'list' },
  print: { kind: 'text' },
  'security-opt': { kind: 'list' },
  'shm-size': { kind: 'text' },
  squash: { kind: 'bool' },
  ssh: { kind: 'list' },
  ulimit: { kind: 'list' },
} as const satisfies FlagTable;
