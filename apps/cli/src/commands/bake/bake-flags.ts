import type { FlagTable } from '../../framework/flags.ts';
import { CONNECTION_FLAGS } from '../../server/find-server.ts';
import { KILN_FLAGS } from '../build/request/build-flags.ts';

/** Flags with the names and meanings of `docker buildx bake`, which change what it prints. */
export const DEFINITION_FLAGS = {
  file: {
    kind: 'list',
    short: 'f',
    value: 'FILE',
    help: 'Bake or Compose file (repeatable; default: as buildx finds it)',
  },
  set: { kind: 'list', value: 'TARGET.KEY=VALUE', help: 'Override a value of targets (repeatable)' },
  push: { kind: 'bool', help: 'Push the images; same as --set=*.output=type=registry' },
  load: {
    kind: 'bool',
    help: "Load the images into this machine's engine; same as --set=*.output=type=docker",
  },
  'no-cache': { kind: 'bool', help: 'Run every step, with empty cache mounts' },
  pull: { kind: 'bool', help: 'Pull newer versions of base images' },
  provenance: { kind: 'text', value: 'BOOL|mode=…', help: 'Provenance attestation' },
  sbom: { kind: 'text', value: 'BOOL|generator=…', help: 'SBOM attestation' },
} as const satisfies FlagTable;

/** The other flags of `docker buildx bake`. */
export const BAKE_ONLY_FLAGS = {
  print: { kind: 'bool', help: 'Print the targets as JSON, without building them' },
  'metadata-file': { kind: 'text', value: 'FILE', help: 'Write the metadata of all targets to a file, as JSON' },
  progress: {
    kind: 'text',
    value: 'MODE',
    help: 'auto, plain, tty, quiet or rawjson (default: $BUILDKIT_PROGRESS or auto)',
  },
} as const satisfies FlagTable;

/** Flags that don't apply to a pool. */
export const IGNORED_BAKE_FLAGS = { builder: { kind: 'text' } } as const satisfies FlagTable;

const { detach: _, json: __, 'idempotency-key': ___, ref: ____, ...ofTargets } = KILN_FLAGS;

/** Kiln's own flags, which apply to all targets. */
export const TARGET_FLAGS = ofTargets;

export const BAKE_FLAGS = {
  ...DEFINITION_FLAGS,
  ...BAKE_ONLY_FLAGS,
  ...TARGET_FLAGS,
  ...CONNECTION_FLAGS,
  ...IGNORED_BAKE_FLAGS,
} as const;
