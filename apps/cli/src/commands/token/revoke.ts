import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';

export const removeCommand = clientCommand(
  {
    name: 'token rm',
    synopsis: 'ID...',
    summary: 'Revoke tokens',
    description:
      'Revoke tokens immediately and permanently. kiln token ls lists their ids; the tokens themselves are not needed.',
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {},
  },
  async ({ flags, client, operands, io }) => {
    for (const id of operands) {
      const revoked = await client.revokeToken(id);
      io.out.line(flags.json ? JSON.stringify(revoked) : `${id} (${revoked.name}) revoked`);
    }
    return EXIT.ok;
  },
);
