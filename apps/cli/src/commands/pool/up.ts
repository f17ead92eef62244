import { localCommand } from '../../framework/command.ts';
import { SUMMARIES } from '../summaries.ts';
import { checkNode } from './check-node.ts';
import { UP_FLAGS, UP_VARIABLES } from './flags.ts';

/** `kiln up`. The code that runs a pool is loaded only then: other commands start faster without it. */
export const upCommand = localCommand(
  {
    name: 'up',
    summary: SUMMARIES.up,
    description:
      'Run a complete pool on this machine in one process: API, scheduler, one worker, and a private Redis. ' +
      'Ctrl-C finishes running builds and stops; a second Ctrl-C stops immediately.',
    examples: ['kiln up', '# Let workers on other machines join', 'kiln up --host 0.0.0.0 --listen-workers 0.0.0.0'],
    notes: [{ title: 'Environment variables', lines: UP_VARIABLES.map((names) => names.join(' ')) }],
    exitCodes: [
      ['0', 'stopped by Ctrl-C or SIGTERM'],
      ['1', 'could not start, or failed'],
      ['125', 'wrong usage'],
    ],
    operands: [0, 0],
    flags: UP_FLAGS,
  },
  async ({ flags, io }) => {
    checkNode('kiln up');
    // It logs stacks for as long as it runs. Maps are read when a module is loaded.
    process.setSourceMapsEnabled(true);
    return (await import('./run-up.ts')).runUp(flags, io);
  },
);
