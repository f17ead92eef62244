import { OUTPUT_FLAGS, printOne } from '../../framework/print.ts';
import { clientCommand } from '../../server/client-command.ts';
import { connectionText } from './connection-text.ts';

export const showCommand = clientCommand(
  {
    name: 'connection show',
    synopsis: 'NAME',
    summary: 'Show a connection, without its secrets',
    operands: [1, 1],
    flags: OUTPUT_FLAGS,
  },
  async ({ flags, client, operands, io }) => {
    const connection = await client.hooks.connection(operands[0] ?? '');
    return printOne(io, flags, { value: connection, name: connection.name, text: () => connectionText(connection) });
  },
);
