import { ALL_TEAMS } from '@kiln/domain';
import { OUTPUT_FLAGS, printOne } from '../../framework/print.ts';
import { fieldLines } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { SUMMARIES } from '../summaries.ts';

export const whoamiCommand = clientCommand(
  {
    name: 'whoami',
    summary: SUMMARIES.whoami,
    description: 'Show the current identity: name, team, scopes and trust class.',
    operands: [0, 0],
    flags: OUTPUT_FLAGS,
  },
  async ({ flags, client, io }) => {
    const me = await client.whoami();
    return printOne(io, flags, {
      value: me,
      name: me.name,
      text: () =>
        fieldLines([
          ['name', me.name],
          ['kind', `${me.kind} (${me.id})`],
          ['team', me.team === ALL_TEAMS ? 'all teams' : me.team || 'none'],
          ['scopes', me.scopes.join(', ') || (me.kind === 'worker' ? 'joining the pool as a worker' : 'none')],
          ['trust', me.trust],
          ...(me.expiresAt === undefined ? [] : [['until', me.expiresAt] as const]),
        ]),
    });
  },
);
