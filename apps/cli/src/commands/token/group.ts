import { type CommandGroup, runGroup } from '../../framework/command-group.ts';
import type { Io } from '../../io/output.ts';
import { createCommand } from './create.ts';
import { listCommand } from './list.ts';
import { revokeCommand } from './revoke.ts';

const GROUP: CommandGroup = {
  name: 'token',
  about: 'Tokens of this Kiln: what people, CI and workers show it. Needs the scope admin.',
  operands: '…',
  commands: {
    create: { about: 'Create one; it is printed this once', run: createCommand },
    ls: { about: 'List those that are not revoked', run: listCommand },
    revoke: { about: 'Revoke some, at once and for good', run: revokeCommand },
  },
  elsewhere: {
    list: 'kiln token ls lists them',
    rm: 'kiln token revoke does that',
    delete: 'kiln token revoke does that',
  },
};

/** `kiln token …`. */
export function tokenCommand(args: readonly string[], io: Io): Promise<number> {
  return runGroup(GROUP, args, io);
}
