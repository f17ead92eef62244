import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { exportCommand } from './export.ts';
import { importCommand } from './import.ts';
import { removeSnapshotCommand } from './remove-snapshot.ts';
import { saveCommand } from './save.ts';
import { seedCommand } from './seed.ts';
import { snapshotsCommand } from './snapshots.ts';

export const cacheCommand = commandGroup({
  name: 'cache',
  summary: SUMMARIES.cache,
  description: 'Manage the caches of builds on the pool’s hosts, and snapshots of them.',
  commands: {
    save: saveCommand,
    seed: seedCommand,
    snapshots: snapshotsCommand,
    export: exportCommand,
    import: importCommand,
    'remove-snapshot': removeSnapshotCommand,
  },
  hints: {},
});
