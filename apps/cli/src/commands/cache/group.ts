import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { duCommand } from './du.ts';
import { exportCommand } from './export.ts';
import { importCommand } from './import.ts';
import { listCommand } from './list.ts';
import { modesCommand } from './modes.ts';
import { pruneCommand } from './prune.ts';
import { pruneRegistryCommand } from './prune-registry.ts';
import { removeCommand } from './remove.ts';
import { removeSnapshotCommand } from './remove-snapshot.ts';
import { saveCommand } from './save.ts';
import { seedCommand } from './seed.ts';
import { setModeCommand } from './set-mode.ts';
import { snapshotsCommand } from './snapshots.ts';

export const cacheCommand = commandGroup({
  name: 'cache',
  summary: SUMMARIES.cache,
  description:
    'Manage the caches of builds on the pool’s hosts, and snapshots of them. Operators (scope hosts:operate) list and drop all caches, other tokens those of their own team.',
  commands: {
    ls: listCommand,
    du: duCommand,
    rm: removeCommand,
    prune: pruneCommand,
    'prune-registry': pruneRegistryCommand,
    modes: modesCommand,
    'set-mode': setModeCommand,
    save: saveCommand,
    seed: seedCommand,
    snapshots: snapshotsCommand,
    export: exportCommand,
    import: importCommand,
    'remove-snapshot': removeSnapshotCommand,
  },
  hints: { list: 'use kiln cache ls', remove: 'use kiln cache rm', drop: 'use kiln cache rm' },
});
