import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { cordonCommand, uncordonCommand } from './cordon.ts';
import { drainCommand } from './drain.ts';
import { listCommand, showCommand } from './hosts.ts';
import { removeCommand } from './remove.ts';
import { setCommand } from './set.ts';

export const hostCommand = commandGroup({
  name: 'host',
  summary: SUMMARIES.host,
  description: 'Manage the hosts of the pool. Changes take effect immediately, without restarting a worker.',
  commands: {
    ls: listCommand,
    show: showCommand,
    set: setCommand,
    cordon: cordonCommand,
    uncordon: uncordonCommand,
    drain: drainCommand,
    rm: removeCommand,
  },
  hints: { list: 'use kiln host ls', ps: 'use kiln host ls', create: 'hosts join the pool with kiln worker' },
});
