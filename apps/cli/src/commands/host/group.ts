import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { cordonCommand, uncordonCommand } from './cordon.ts';
import { drainCommand } from './drain.ts';
import { removeCommand } from './remove.ts';
import { setCommand } from './set.ts';

const LIST = 'use kiln hosts';

export const hostCommand = commandGroup({
  name: 'host',
  summary: SUMMARIES.host,
  description:
    'Manage the hosts of the pool. Changes take effect immediately, without restarting a worker. kiln hosts lists hosts.',
  commands: {
    cordon: cordonCommand,
    uncordon: uncordonCommand,
    drain: drainCommand,
    set: setCommand,
    remove: removeCommand,
  },
  hints: { list: LIST, ls: LIST, ps: LIST, rm: 'use kiln host remove' },
});
