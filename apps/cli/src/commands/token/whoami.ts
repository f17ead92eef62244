import { ALL_TEAMS } from '@kiln/domain';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { runCommand } from '../../framework/command.ts';

const SPEC = {
  usage: 'kiln whoami [FLAGS]',
  about: 'Says who Kiln takes you for, of which team, and what you may do.',
  operands: [0, 0],
  flags: {},
} as const;

export function whoamiCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client }) => {
    const me = await client.whoami();
    if (flags.json) {
      io.out.line(JSON.stringify(me, null, 2));
      return EXIT.ok;
    }
    const rows = [
      ['name', me.name],
      ['kind', `${me.kind} (${me.id})`],
      ['team', me.team === ALL_TEAMS ? 'all teams' : me.team || 'none'],
      ['scopes', me.scopes.join(', ') || (me.kind === 'worker' ? 'to work, and nothing else' : 'none')],
      ['trust', me.trust],
      ...(me.expiresAt === undefined ? [] : [['until', me.expiresAt]]),
    ];
    for (const [label = '', text] of rows) io.out.line(`${label.padEnd(7)} ${text}`);
    return EXIT.ok;
  });
}
