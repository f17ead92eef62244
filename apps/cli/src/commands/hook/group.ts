import { type CommandGroup, runGroup } from '../../framework/command-group.ts';
import type { Io } from '../../io/output.ts';
import { createCommand, listCommand, removeCommand } from './manage.ts';
import { messagesCommand, resendCommand } from './messages.ts';

const GROUP: CommandGroup = {
  name: 'hook',
  about: 'Webhooks that Kiln sends: a team’s builds, told to an address.',
  operands: '…',
  commands: {
    create: { about: 'Have Kiln call an address', run: createCommand },
    ls: { about: 'List them', run: listCommand },
    rm: { about: 'Remove some, with their messages', run: removeCommand },
    messages: { about: 'List what one was told, and what came of it', run: messagesCommand },
    resend: { about: 'Send messages once more', run: resendCommand },
  },
  elsewhere: {
    list: 'kiln hook ls lists them',
    remove: 'kiln hook rm does that',
    delete: 'kiln hook rm does that',
    redeliver: 'kiln hook resend does that; kiln delivery --redeliver is for those that forges send',
  },
};

/** `kiln hook …`. */
export function hookCommand(args: readonly string[], io: Io): Promise<number> {
  return runGroup(GROUP, args, io);
}
