import { type CommandSpec, defineCommand, HELP_FLAG } from '../../framework/command.ts';
import { CONNECTION_SECTION } from '../../server/find-server.ts';
import { SUMMARIES } from '../summaries.ts';
import { BUILD_FLAGS, DOCKER_FLAGS, IGNORED_FLAGS, KILN_FLAGS, REFUSED_FLAGS } from './request/build-flags.ts';
import { decidedRows } from './request/buildx-compat.ts';

const SPEC: CommandSpec<typeof BUILD_FLAGS> = {
  name: 'build',
  synopsis: '[PATH | GIT_URL | -]',
  summary: SUMMARIES.build,
  description:
    'Build an image on a host of the pool. The flags of docker buildx build are accepted with the same meaning.\n\n' +
    'The build context is a directory (default: the current one), a git repository (https://host/repo.git#ref:subdir), or - for a tar on standard input.',
  examples: [
    '# Build the current directory and push the image',
    'kiln build --push -t registry.example.org/acme/app:1.2 .',
    '# Build a branch of a git repository and take the files of a stage',
    'kiln build --target dist -o ./out https://github.com/acme/app.git#main',
    '# Submit a build without following it',
    'kiln build -d https://github.com/acme/app.git#v1.2',
  ],
  notes: [
    { title: 'Ignored with a warning', rows: decidedRows(IGNORED_FLAGS) },
    { title: 'Refused', rows: decidedRows(REFUSED_FLAGS) },
  ],
  exitCodes: [
    ['0', 'the build succeeded'],
    ['1', 'the build failed, or someone else canceled it'],
    ['3', 'a newer build superseded it'],
    ['125', 'wrong usage, or Kiln refused or did not respond'],
    ['130', 'canceled by Ctrl-C (a second Ctrl-C exits without waiting)'],
  ],
  operands: [0, 1],
  flags: BUILD_FLAGS,
};

/** `kiln build`. What a build needs is loaded when there is one to submit. */
export const buildCommand = defineCommand(
  SPEC,
  [
    { title: 'Flags of docker buildx build', flags: DOCKER_FLAGS },
    { title: 'Flags of Kiln', flags: { ...KILN_FLAGS, ...HELP_FLAG } },
    CONNECTION_SECTION,
  ],
  async (invocation) => (await import('./run-build.ts')).runBuild(invocation),
);
