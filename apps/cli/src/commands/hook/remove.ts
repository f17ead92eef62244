import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';

export const removeCommand = clientCommand(
  {
    name: 'hook rm',
    synopsis: 'ID...',
    summary: 'Remove outgoing webhooks with their messages',
    description: 'Remove outgoing webhooks with their messages, including those that have not been delivered.',
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {},
  },
  async ({ flags, client, operands, io }) => {
    for (const id of operands) {
      const removed = await client.hooks.removeWebhook(id);
      io.out.line(flags.json ? JSON.stringify(removed) : `${id} removed`);
    }
    return EXIT.ok;
  },
);
