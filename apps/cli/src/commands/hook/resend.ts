import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';

export const resendCommand = clientCommand(
  {
    name: 'hook resend',
    synopsis: 'ID MESSAGE...',
    summary: 'Send messages of an outgoing webhook again, at once',
    description:
      'Send messages of an outgoing webhook again, at once: messages that wait for their next try, dead ones and delivered ones.',
    operands: [2, Number.POSITIVE_INFINITY],
    flags: {},
  },
  async ({ flags, client, operands: [webhook = '', ...messages], io }) => {
    for (const id of messages) {
      const message = await client.hooks.resend(webhook, id);
      io.out.line(flags.json ? JSON.stringify(message) : `${id} is being sent`);
    }
    return EXIT.ok;
  },
);
