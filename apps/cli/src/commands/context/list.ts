import { localCommand } from '../../framework/command.ts';
import { OUTPUT_FLAGS, printList } from '../../framework/print.ts';
import { JSON_FLAG } from '../../server/client-command.ts';
import { contextRows, hiddenBy, loginText } from './rows.ts';

export const listCommand = localCommand(
  {
    name: 'context ls',
    summary: 'List contexts',
    description: 'List contexts. A star marks the one in use.',
    operands: [0, 0],
    flags: { ...OUTPUT_FLAGS, ...JSON_FLAG },
  },
  async ({ flags, io }) => {
    const rows = await contextRows(io);
    hiddenBy(io);
    return printList(io, flags, 'contexts', {
      rows,
      name: ({ name }) => name,
      columns: [
        { title: '', text: ({ inUse }) => (inUse ? '*' : '') },
        { title: 'CONTEXT', text: ({ name }) => name, min: 8, style: ({ inUse }) => (inUse ? 'bold' : undefined) },
        { title: 'URL', text: ({ url }) => url, min: 16 },
        { title: 'LOGIN', text: loginText, style: ({ login }) => (login === 'expired' ? 'red' : undefined) },
      ],
      none: 'no contexts; `kiln login URL` makes one',
    });
  },
);
