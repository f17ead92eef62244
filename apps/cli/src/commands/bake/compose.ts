import { resolve } from 'node:path';
import { type Command, type CommandSpec, defineCommand, HELP_FLAG } from '../../framework/command.ts';
import { type CommandGroup, commandGroup } from '../../framework/command-group.ts';
import type { FlagTable, FlagValues } from '../../framework/flags.ts';
import { FlagError } from '../../io/errors.ts';
import type { Io } from '../../io/output.ts';
import { CONNECTION_FLAGS, CONNECTION_SECTION } from '../../server/find-server.ts';
import { SUMMARIES } from '../summaries.ts';
import { BAKE_ONLY_FLAGS, DEFINITION_FLAGS, TARGET_FLAGS } from './bake-flags.ts';

const { set: _, file: __, ...definitionFlags } = DEFINITION_FLAGS;

/** Flags with the names and meanings of `docker compose`, which may also come before `build`. */
const PROJECT_FLAGS = {
  file: {
    kind: 'list',
    short: 'f',
    value: 'FILE',
    help: 'Compose file (repeatable; default: $COMPOSE_FILE, or compose.yaml and its other names, with its override)',
  },
  'project-name': {
    kind: 'text',
    short: 'p',
    value: 'NAME',
    help: 'Name of the project (default: $COMPOSE_PROJECT_NAME, that in the file, or the directory’s)',
  },
  'project-directory': {
    kind: 'text',
    value: 'DIR',
    help: 'Directory to which paths in the files are relative (default: that of the first file)',
  },
  profile: {
    kind: 'list',
    value: 'NAME',
    help: 'Also build services of this profile (repeatable; default: $COMPOSE_PROFILES)',
  },
} as const satisfies FlagTable;

/** Flags with the names and meanings of `docker compose build`. */
const COMPOSE_FLAGS = {
  ...PROJECT_FLAGS,
  ...definitionFlags,
  load: { kind: 'bool', help: "Load the images into this machine's engine (default: unless they are pushed)" },
  'build-arg': {
    kind: 'list',
    value: 'KEY[=VALUE]',
    help: 'Build argument of all services; without a value: that of the environment (repeatable)',
  },
  'with-dependencies': { kind: 'bool', help: 'Also build the services on which the named ones depend' },
  quiet: { kind: 'bool', short: 'q', help: 'Show no progress' },
} as const satisfies FlagTable;

/** Flags that don't apply to a pool. */
const IGNORED_FLAGS = {
  builder: { kind: 'text' },
  memory: { kind: 'text', short: 'm' },
  ssh: { kind: 'text' },
} as const satisfies FlagTable;

const FLAGS = { ...COMPOSE_FLAGS, ...BAKE_ONLY_FLAGS, ...TARGET_FLAGS, ...CONNECTION_FLAGS, ...IGNORED_FLAGS } as const;

const SPEC: CommandSpec<typeof FLAGS> = {
  name: 'compose build',
  synopsis: '[SERVICE...]',
  summary: 'Build the images of services, side by side',
  description:
    'Build the images of a Compose file’s services, as docker compose build does, with the same names and labels, and load them into this machine’s engine or push them. Services without a build are left out. See kiln bake.',
  examples: [
    '# Build all services and push their images',
    'kiln compose build --push',
    '# Build two services of a file, and load their images',
    'kiln compose -f compose.ci.yaml build web api',
  ],
  operands: [0, Number.POSITIVE_INFINITY],
  flags: FLAGS,
};

const buildCommand = defineCommand(
  SPEC,
  [
    { title: 'Flags of docker compose build', flags: { ...COMPOSE_FLAGS, ...BAKE_ONLY_FLAGS } },
    { title: 'Flags of Kiln, for all services', flags: { ...TARGET_FLAGS, ...HELP_FLAG } },
    CONNECTION_SECTION,
  ],
  async ({ flags, operands, io }) => {
    if (flags.ssh !== undefined)
      throw new FlagError(
        '--ssh is not supported: no agent is forwarded to the hosts; pass a deploy key or a token as a secret',
      );
    for (const name of ['builder', 'memory'] as const)
      if (flags[name] !== undefined) io.err.line(`kiln: --${name} is ignored: Kiln chooses the host and its builder`);
    const [{ runBake }, { composeDefinition, composeProject }] = await Promise.all([
      import('./run-bake.ts'),
      import('./compose-project.ts'),
    ]);
    const project = await composeProject(flags, io);
    const build = {
      services: operands,
      withDependencies: flags['with-dependencies'] ?? false,
      push: flags.push ?? false,
      load: flags.load ?? true,
    };
    return await runBake({
      flags: bakeFlags(flags, project.files, io),
      operands: [],
      io: { ...io, cwd: project.dir },
      adapt: (definition) => composeDefinition(definition, project, build),
    });
  },
);

/** @param files absolute paths */
function bakeFlags(
  { 'build-arg': args, quiet, ...flags }: FlagValues<typeof FLAGS>,
  files: readonly string[],
  { cwd, env }: Pick<Io, 'cwd' | 'env'>,
) {
  const set = args.flatMap((arg) => {
    const value = arg.includes('=') ? arg : env[arg] === undefined ? undefined : `${arg}=${env[arg]}`;
    return value === undefined ? [] : [`*.args.${value}`];
  });
  const metadata = flags['metadata-file'];
  return {
    ...flags,
    ...{ file: files, set, load: undefined, builder: undefined },
    'metadata-file': metadata === undefined ? undefined : resolve(cwd, metadata),
    progress: quiet ? 'quiet' : flags.progress,
  };
}

const group = commandGroup({
  name: 'compose',
  summary: SUMMARIES.compose,
  description: 'Build the images of a Compose file.',
  commands: { build: buildCommand },
  hints: {},
});

/** `docker compose` has the flags of the project before the command's name. */
export const composeCommand: CommandGroup = { ...group, run: runWithProjectFlags(group) };

function runWithProjectFlags({ run }: CommandGroup): Command['run'] {
  return (args, io) => {
    const at = projectFlags(args);
    return run(
      at === 0 || at >= args.length ? args : [args[at] ?? '', ...args.slice(0, at), ...args.slice(at + 1)],
      io,
    );
  };
}

/** Returns how many arguments at the beginning are flags of the project, and their values. */
function projectFlags(args: readonly string[]): number {
  const names = Object.entries(PROJECT_FLAGS).flatMap(([name, flag]) => [
    `--${name}`,
    ...('short' in flag ? [`-${flag.short}`] : []),
  ]);
  let at = 0;
  while (at < args.length) {
    const arg = args[at] ?? '';
    if (names.includes(arg)) at += 2;
    else if (names.some((name) => arg.startsWith(`${name}=`))) at += 1;
    else break;
  }
  return at;
}
