import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { duCommand } from './du.ts';
import { listCommand } from './list.ts';
import { pruneCommand } from './prune.ts';
import { pruneRegistryCommand } from './prune-registry.ts';
import { removeCommand } from './remove.ts';
import { seedCommand } from './seed.ts';

export const cacheCommand = commandGroup({
  name: 'cache',
  summary: SUMMARIES.cache,
  description:
    'Manage the caches of builds on the pool’s hosts. Operators (scope hosts:operate) list and drop all caches, other tokens those of their own team.',
  commands: {
    ls: listCommand,
    du: duCommand,
    rm: removeCommand,
    prune: pruneCommand,
    'prune-registry': pruneRegistryCommand,
    seed: seedCommand,
  },
  hints: {
    list: 'use kiln cache ls',
    remove: 'use kiln cache rm',
    drop: 'use kiln cache rm',
    save: 'use kiln snapshot create',
  },
});
