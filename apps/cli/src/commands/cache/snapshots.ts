import { bytes, type SnapshotView } from '@kiln/contracts';
import { OUTPUT_FLAGS, printList, printOne } from '../../framework/print.ts';
import { age } from '../../io/ages.ts';
import { type Column, fieldLines } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { findSnapshot } from './find-snapshot.ts';

export const snapshotsCommand = clientCommand(
  {
    name: 'snapshot ls',
    synopsis: '[REPO]',
    summary: 'List snapshots of caches',
    description: 'List snapshots of caches, the newest first; of one repo, if it is named.',
    operands: [0, 1],
    flags: { ...OUTPUT_FLAGS, team: { kind: 'text', value: 'TEAM', help: 'Only those of this team' } },
  },
  async ({ flags, client, operands: [repo], io }) =>
    printList(io, flags, 'snapshots', {
      name: ({ id }) => id,
      rows: await client.snapshots({ repo, team: flags.team }),
      columns: columns(io.now()),
      none: 'no snapshots; make one with kiln snapshot create',
    }),
);

export const showSnapshotCommand = clientCommand(
  {
    name: 'snapshot show',
    synopsis: 'REPO|SNAPSHOT',
    summary: 'Show a snapshot of caches, or the newest one of a repo',
    operands: [1, 1],
    flags: { team: { kind: 'text', value: 'TEAM', help: 'Team of the repo (default: your own)' }, ...OUTPUT_FLAGS },
  },
  async ({ flags, client, operands: [named = ''], io }) => {
    const snapshot = await findSnapshot(client, named, flags.team);
    const { id, repo, team, trust, host = 'import', createdAt, storedBytes, mounts } = snapshot;
    return printOne(io, flags, {
      value: snapshot,
      name: id,
      text: () =>
        fieldLines([
          ['id', id],
          ['repo', repo],
          ['team', `${team} (${trust})`],
          ['from', host],
          ['created', createdAt],
          ['stored', bytes(storedBytes)],
          ...mounts.map((mount) => ['mount', `${mount.id}, ${mount.entries} entries`] as const),
        ]),
    });
  },
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
