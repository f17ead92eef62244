import { type CommandGroup, runGroup } from '../../framework/command-group.ts';
import type { Io } from '../../io/output.ts';
import { createCommand } from './create.ts';
import { listCommand } from './list.ts';
import { pauseCommand, resumeCommand, rmCommand, runNowCommand } from './orders.ts';

const GROUP: CommandGroup = {
  name: 'schedule',
  about: 'Builds that come by the clock: nightly ones, or such that keep caches warm.',
  operands: '…',
  commands: {
    create: { about: 'Have a git repository built at certain times', run: createCommand },
    ls: { about: 'List schedules, with their last run and their next', run: listCommand },
    run: { about: 'Build one now', run: runNowCommand },
    pause: { about: 'Leave it out until it is resumed', run: pauseCommand },
    resume: { about: 'End a pause', run: resumeCommand },
    rm: { about: 'Remove some; their builds stay', run: rmCommand },
  },
  elsewhere: {
    list: 'kiln schedule ls lists them',
    remove: 'kiln schedule rm does that',
    delete: 'kiln schedule rm does that',
  },
};

/** `kiln schedule …`. */
export function scheduleCommand(args: readonly string[], io: Io): Promise<number> {
  return runGroup(GROUP, args, io);
}
