import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { duCommand } from './du.ts';
import { listCommand } from './list.ts';
import { pruneCommand } from './prune.ts';
import { removeCommand } from './remove.ts';

export const cacheCommand = commandGroup({
  name: 'cache',
  summary: SUMMARIES.cache,
  description:
    'List and drop the caches of hosts: cache mounts, and what repositories use of layers. Operators (scope hosts:operate) manage all caches, other tokens those of their own team.',
  commands: { ls: listCommand, du: duCommand, rm: removeCommand, prune: pruneCommand },
  hints: { list: 'use kiln cache ls', remove: 'use kiln cache rm', drop: 'use kiln cache rm' },
});
