import { type CommandGroup, runGroup } from '../../framework/command-group.ts';
import type { Io } from '../../io/output.ts';
import { cordonCommand, uncordonCommand } from './cordon.ts';
import { drainCommand } from './drain.ts';
import { removeCommand } from './remove.ts';
import { setCommand } from './set.ts';

const LISTED = 'kiln hosts lists them';

const GROUP: CommandGroup = {
  name: 'host',
  about:
    'What operators do with the hosts of the pool; kiln hosts lists them. Takes effect at once, without a restart.',
  operands: 'NAME…',
  commands: {
    cordon: { about: 'Give a host nothing new', run: cordonCommand },
    uncordon: { about: 'Give it builds again; ends a drain, too', run: uncordonCommand },
    drain: { about: 'Empty it: nothing new, and finish what runs or hand it back', run: drainCommand },
    set: { about: 'Set its slots and labels', run: setCommand },
    remove: { about: 'Take it out of the pool', run: removeCommand },
  },
  elsewhere: { list: LISTED, ls: LISTED, ps: LISTED },
};

/** `kiln host …`: what operators do with hosts. */
export function hostCommand(args: readonly string[], io: Io): Promise<number> {
  return runGroup(GROUP, args, io);
}
