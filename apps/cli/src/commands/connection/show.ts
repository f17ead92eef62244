import { EXIT } from '../../io/exit-codes.ts';
import { printJson } from '../../io/print.ts';
import { clientCommand } from '../../server/client-command.ts';
import { connectionText } from './connection-text.ts';

export const showCommand = clientCommand(
  {
    name: 'connection show',
    synopsis: 'NAME',
    summary: 'Show a connection, without its secrets',
    operands: [1, 1],
    flags: {},
  },
  async ({ flags, client, operands, io }) => {
    const connection = await client.hooks.connection(operands[0] ?? '');
    if (flags.json) printJson(io, connection);
    else io.out.write(connectionText(connection));
    return EXIT.ok;
  },
);
