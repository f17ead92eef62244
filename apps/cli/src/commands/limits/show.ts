import { runCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { limitRows } from './limit-text.ts';

const SPEC = {
  usage: 'kiln limits [FLAGS]',
  about: 'Says what your team and your token may do at most, and how much of it is taken. The lower of the two holds.',
  operands: [0, 0],
  flags: {},
} as const;

export function showCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client }) => {
    const own = await client.limits();
    if (flags.json) {
      io.out.line(JSON.stringify(own, null, 2));
      return EXIT.ok;
    }
    const views = [own.team, own.token].filter((view) => view !== undefined);
    if (views.length === 0) io.err.line('kiln: nothing limits you');
    io.out.write(views.map((view) => `${limitRows(view)}\n`).join('\n'));
    return EXIT.ok;
  });
}
