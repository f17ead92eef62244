import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';

export const removeSnapshotCommand = clientCommand(
  {
    name: 'snapshot rm',
    synopsis: 'SNAPSHOT...',
    summary: 'Delete snapshots of caches',
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {},
  },
  async ({ client, operands, io }) => {
    for (const id of operands) {
      await client.removeSnapshot(id);
      io.out.line(`${id} deleted`);
    }
    return EXIT.ok;
  },
);
