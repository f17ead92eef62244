import { localCommand } from '../../framework/command.ts';
import { SUMMARIES } from '../summaries.ts';
import { checkNode } from './check-node.ts';
import { WORKER_FLAGS } from './flags.ts';

/** `kiln worker`. The code that runs a worker is loaded only then: other commands start faster without it. */
export const workerCommand = localCommand(
  {
    name: 'worker',
    synopsis: '--join URL --token-file FILE',
    summary: SUMMARIES.worker,
    description:
      'Run a worker on this machine, with its Docker Engine, that joins the pool of a Kiln elsewhere. It gets its settings from the API of the pool, ' +
      'and reads contexts and stores artifacts through it. Ctrl-C finishes running builds and leaves; a second Ctrl-C leaves immediately.\n\n' +
      'Every setting of a worker can also come from the environment; flags take precedence.',
    examples: ['kiln worker --join https://kiln.example.org --token-file join-token --slots 4 --label disk=nvme'],
    exitCodes: [
      ['0', 'stopped by a signal, drained with --exit, or removed from the pool'],
      ['1', 'could not join, or failed'],
      ['125', 'wrong usage'],
    ],
    operands: [0, 0],
    flags: WORKER_FLAGS,
  },
  async ({ flags, io }) => {
    checkNode('kiln worker');
    // It logs stacks for as long as it runs. Maps are read when a module is loaded.
    process.setSourceMapsEnabled(true);
    return (await import('./run-worker.ts')).runWorker(flags, io);
  },
);
