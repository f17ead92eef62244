import { localCommand } from '../../framework/command.ts';
import { SUMMARIES } from '../summaries.ts';
import { RUNNERS } from './runners.ts';

export const ciCommand = localCommand(
  {
    name: 'ci',
    synopsis: `[${RUNNERS.join('|')}]`,
    summary: SUMMARIES.ci,
    description:
      'Build in a job of a CI system, as infra/ci does. What to build is read from variables, spelt as the inputs of docker/build-push-action: INPUT_TAGS, INPUT_BUILD_ARGS and so on in GitHub Actions, PLUGIN_… in Woodpecker, KILN_INPUT_… elsewhere. ' +
      'The steps of the build are groups of the job’s log; digest, image ID, metadata and build ID become outputs of the job; a failing line of the Dockerfile is annotated; a summary has the build’s link and what it saved. A job that is canceled cancels its build.\n\n' +
      'The CI system is recognised by its variables, unless it is named.',
    examples: ['KILN_INPUT_TAGS=registry.example.com/app:1 KILN_INPUT_PUSH=true kiln ci', 'kiln ci gitlab'],
    exitCodes: [
      ['0', 'the build succeeded'],
      ['1', 'the build failed'],
      ['3', 'a newer build superseded it'],
      ['125', 'wrong inputs, or Kiln refused or did not respond'],
    ],
    operands: [0, 1],
    flags: {},
  },
  async (invocation) => (await import('./run-ci.ts')).runCi(invocation),
);
