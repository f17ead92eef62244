import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';

export const resendCommand = clientCommand(
  {
    name: 'hook resend',
    synopsis: 'ID MESSAGE...',
    summary: 'Send messages of an outgoing webhook again',
    operands: [2, Number.POSITIVE_INFINITY],
    flags: {},
  },
  async ({ flags, client, operands: [webhook = '', ...messages], io }) => {
    for (const id of messages) {
      const message = await client.hooks.resend(webhook, id);
      io.out.line(flags.json ? JSON.stringify(message) : `${id} will be sent`);
    }
    return EXIT.ok;
  },
);
