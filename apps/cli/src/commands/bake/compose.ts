import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type CommandSpec, defineCommand, HELP_FLAG } from '../../framework/command.ts';
import { commandGroup } from '../../framework/command-group.ts';
import type { FlagTable, FlagValues } from '../../framework/flags.ts';
import { UsageError } from '../../io/errors.ts';
import { CONNECTION_FLAGS, CONNECTION_SECTION } from '../../server/find-server.ts';
import { SUMMARIES } from '../summaries.ts';
import { BAKE_ONLY_FLAGS, DEFINITION_FLAGS, TARGET_FLAGS } from './bake-flags.ts';

const { set: _, load: __, ...definitionFlags } = DEFINITION_FLAGS;

/** Flags with the names and meanings of `docker compose build`. */
const COMPOSE_FLAGS = {
  ...definitionFlags,
  file: {
    kind: 'list',
    short: 'f',
    value: 'FILE',
    help: 'Compose file (repeatable; default: compose.yaml and its other names)',
  },
  'build-arg': { kind: 'list', value: 'KEY=VALUE', help: 'Build argument of all services (repeatable)' },
} as const satisfies FlagTable;

const FLAGS = { ...COMPOSE_FLAGS, ...BAKE_ONLY_FLAGS, ...TARGET_FLAGS, ...CONNECTION_FLAGS } as const;

const SPEC: CommandSpec<typeof FLAGS> = {
  name: 'compose build',
  synopsis: '[SERVICE...]',
  summary: 'Build the images of services, side by side',
  description:
    'Build the images of a Compose file’s services, as docker compose build does. Services without a build are left out. See kiln bake.',
  examples: ['# Build all services and push their images', 'kiln compose build --push'],
  operands: [0, Number.POSITIVE_INFINITY],
  flags: FLAGS,
};

/** In the order in which docker compose looks for them. */
const FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml'];

const buildCommand = defineCommand(
  SPEC,
  [
    { title: 'Flags of docker compose build', flags: { ...COMPOSE_FLAGS, ...BAKE_ONLY_FLAGS } },
    { title: 'Flags of Kiln, for all services', flags: { ...TARGET_FLAGS, ...HELP_FLAG } },
    CONNECTION_SECTION,
  ],
  async ({ flags, operands, io }) => {
    const { runBake } = await import('./run-bake.ts');
    const file = flags.file.length > 0 ? flags.file : [await composeFile(io.cwd)];
    return await runBake({ flags: bakeFlags(flags, file), operands, io });
  },
);

function bakeFlags({ 'build-arg': args, ...flags }: FlagValues<typeof FLAGS>, file: readonly string[]) {
  const bad = args.find((arg) => !arg.includes('='));
  if (bad !== undefined) throw new UsageError(`--build-arg ${bad}: expected KEY=VALUE`);
  return { ...flags, file, set: args.map((arg) => `*.args.${arg}`), load: undefined, builder: undefined };
}

async function composeFile(cwd: string): Promise<string> {
  for (const name of FILES) if (await stat(resolve(cwd, name)).catch(() => undefined)) return name;
  throw new UsageError(`no Compose file in ${cwd}: expected ${FILES.join(', ')}; name another one with -f FILE`);
}

export const composeCommand = commandGroup({
  name: 'compose',
  summary: SUMMARIES.compose,
  description: 'Build the images of a Compose file.',
  commands: { build: buildCommand },
  hints: {},
});
