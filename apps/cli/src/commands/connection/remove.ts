import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';

export const removeCommand = clientCommand(
  {
    name: 'connection rm',
    synopsis: 'NAME...',
    summary: 'Remove connections',
    description: 'Remove connections. From then on, their webhooks are refused and no statuses are reported.',
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {},
  },
  async ({ flags, client, operands, io }) => {
    for (const name of operands) {
      const removed = await client.hooks.removeConnection(name);
      io.out.line(flags.json ? JSON.stringify(removed) : `${name} removed`);
    }
    return EXIT.ok;
  },
);
