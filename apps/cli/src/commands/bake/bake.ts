import { type CommandSpec, defineCommand, HELP_FLAG } from '../../framework/command.ts';
import { CONNECTION_SECTION } from '../../server/find-server.ts';
import { SUMMARIES } from '../summaries.ts';
import { BAKE_FLAGS, BAKE_ONLY_FLAGS, DEFINITION_FLAGS, TARGET_FLAGS } from './bake-flags.ts';

const SPEC: CommandSpec<typeof BAKE_FLAGS> = {
  name: 'bake',
  synopsis: '[TARGET...]',
  summary: SUMMARIES.bake,
  description:
    'Build the targets of bake files (HCL, JSON or Compose), side by side, each on the host where it is warm. The files are evaluated by docker buildx bake ' +
    '--print, on this machine if it has buildx, otherwise on a host; groups, matrices, variables and overrides work as there. Targets that use the results of others (contexts = { x = "target:y" }) are one build together with them. A target that fails ends the command with 1 when the others are done.',
  examples: [
    '# Build the default group and push its images',
    'kiln bake --push',
    '# Build two targets with another tag',
    'kiln bake --set "*.args.VERSION=1.2" web api',
  ],
  exitCodes: [
    ['0', 'all targets were built'],
    ['1', 'a target failed, or someone else canceled it'],
    ['125', 'wrong usage, or Kiln refused or did not respond'],
    ['130', 'canceled by Ctrl-C (a second Ctrl-C exits without waiting)'],
  ],
  operands: [0, Number.POSITIVE_INFINITY],
  flags: BAKE_FLAGS,
};

/** `kiln bake`. */
export const bakeCommand = defineCommand(
  SPEC,
  [
    { title: 'Flags of docker buildx bake', flags: { ...DEFINITION_FLAGS, ...BAKE_ONLY_FLAGS } },
    { title: 'Flags of Kiln, for all targets', flags: { ...TARGET_FLAGS, ...HELP_FLAG } },
    CONNECTION_SECTION,
  ],
  async (invocation) => (await import('./run-bake.ts')).runBake(invocation),
);
