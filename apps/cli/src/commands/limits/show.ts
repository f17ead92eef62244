import { OUTPUT_FLAGS, printOne } from '../../framework/print.ts';
import { clientCommand } from '../../server/client-command.ts';
import { limitRows } from './limit-text.ts';

export const showCommand = clientCommand(
  {
    name: 'limit show',
    summary: 'Show your limits and their use',
    description:
      'Show the limits of your team and your token, and how much of them is used. The lower of the two applies.',
    operands: [0, 0],
    flags: OUTPUT_FLAGS,
  },
  async ({ flags, client, io }) => {
    const own = await client.limits();
    const views = [own.team, own.token].filter((view) => view !== undefined);
    return printOne(io, flags, {
      value: own,
      name: views.map(({ kind, name }) => `${kind} ${name}`).join('\n'),
      text: () => {
        if (views.length === 0) io.err.line('kiln: no limits apply to you');
        return views.map((view) => `${limitRows(view)}\n`).join('\n');
      },
    });
  },
);
