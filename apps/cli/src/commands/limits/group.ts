import { type CommandGroup, runGroup } from '../../framework/command-group.ts';
import type { Io } from '../../io/output.ts';
import { listCommand } from './list.ts';
import { setCommand } from './set.ts';
import { showCommand } from './show.ts';

const GROUP: CommandGroup = {
  name: 'limits',
  about: 'What teams and tokens may do at most. Without a command: what you may, and how much of it is taken.',
  operands: '…',
  commands: {
    show: { about: 'What you may do, and how much of it is taken', run: showCommand },
    ls: { about: 'What each may do by default, and for whom something else is set; for admins', run: listCommand },
    set: { about: 'Set limits of a team or a token; for admins', run: setCommand },
  },
  elsewhere: { list: 'kiln limits ls lists them' },
};

/** `kiln limits …`. */
export function limitsCommand(args: readonly string[], io: Io): Promise<number> {
  const [first] = args;
  const isShow = first === undefined || (first.startsWith('-') && first !== '-h' && first !== '--help');
  return isShow ? showCommand(args, io) : runGroup(GROUP, args, io);
}
