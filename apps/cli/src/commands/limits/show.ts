import { EXIT } from '../../io/exit-codes.ts';
import { printJson } from '../../io/print.ts';
import { clientCommand } from '../../server/client-command.ts';
import { limitRows } from './limit-text.ts';

export const showCommand = clientCommand(
  {
    name: 'limits show',
    summary: 'Show your limits and their use',
    description:
      'Show the limits of your team and your token, and how much of them is used. The lower of the two applies.',
    operands: [0, 0],
    flags: {},
  },
  async ({ flags, client, io }) => {
    const own = await client.limits();
    if (flags.json) {
      printJson(io, own);
      return EXIT.ok;
    }
    const views = [own.team, own.token].filter((view) => view !== undefined);
    if (views.length === 0) io.err.line('kiln: no limits apply to you');
    io.out.write(views.map((view) => `${limitRows(view)}\n`).join('\n'));
    return EXIT.ok;
  },
);
