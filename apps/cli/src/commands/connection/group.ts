import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { listCommand } from './list.ts';
import { removeCommand } from './remove.ts';
import { rotateSecretCommand } from './rotate-secret.ts';
import { setCommand } from './set.ts';
import { showCommand } from './show.ts';

export const connectionCommand = commandGroup({
  name: 'connection',
  summary: SUMMARIES.connection,
  description:
    'Manage connections to forges. A connection defines whose webhooks create builds, of which repositories.\n\nNeeds the scope admin.',
  commands: {
    set: setCommand,
    ls: listCommand,
    show: showCommand,
    'rotate-secret': rotateSecretCommand,
    rm: removeCommand,
  },
  hints: {
    create: 'use kiln connection set',
    list: 'use kiln connection ls',
    remove: 'use kiln connection rm',
    delete: 'use kiln connection rm',
  },
});
