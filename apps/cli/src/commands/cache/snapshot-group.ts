import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { exportCommand } from './export.ts';
import { importCommand } from './import.ts';
import { removeSnapshotCommand } from './remove-snapshot.ts';
import { saveCommand } from './save.ts';
import { showSnapshotCommand, snapshotsCommand } from './snapshots.ts';

export const snapshotCommand = commandGroup({
  name: 'snapshot',
  summary: SUMMARIES.snapshot,
  description:
    'Manage snapshots of cache mounts, which kiln cache seed copies to hosts, and with which builds of the cache mode archive begin.',
  commands: {
    ls: snapshotsCommand,
    show: showSnapshotCommand,
    create: saveCommand,
    rm: removeSnapshotCommand,
    export: exportCommand,
    import: importCommand,
  },
  hints: { list: 'use kiln snapshot ls', save: 'use kiln snapshot create', remove: 'use kiln snapshot rm' },
});
