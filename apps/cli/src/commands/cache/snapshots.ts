import { bytes, type SnapshotView } from '@kiln/contracts';
import { age } from '../../io/ages.ts';
import { printList } from '../../io/print.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';

export const snapshotsCommand = clientCommand(
  {
    name: 'cache snapshots',
    synopsis: '[REPO]',
    summary: 'List snapshots of caches',
    description: 'List snapshots of caches, the newest first; of one repo, if it is named.',
    operands: [0, 1],
    flags: { team: { kind: 'text', value: 'TEAM', help: 'Only those of this team' } },
  },
  async ({ flags, client, operands: [repo], io }) =>
    printList(io, flags.json, 'snapshots', {
      rows: await client.snapshots({ repo, team: flags.team }),
      columns: columns(io.now()),
      none: 'no snapshots; make one with kiln cache save',
    }),
);

function columns(now: number): Column<SnapshotView>[] {
  return [
    { title: 'ID', text: ({ id }) => id },
    { title: 'REPO', text: ({ repo }) => repo, min: 8 },
    { title: 'TEAM', text: ({ team }) => team, min: 4, dispensable: 2 },
    { title: 'TRUST', text: ({ trust }) => trust, dispensable: 3 },
    { title: 'MOUNTS', text: ({ mounts }) => String(mounts.length), align: 'right' },
    { title: 'STORED', text: ({ storedBytes }) => bytes(storedBytes), align: 'right' },
    { title: 'FROM', text: ({ host }) => host ?? 'import', min: 4, dispensable: 1 },
    { title: 'AGE', text: ({ createdAt }) => age(Date.parse(createdAt), now) },
  ];
}
