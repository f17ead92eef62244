import { type CommandGroup, runGroup } from '../../framework/command-group.ts';
import type { Io } from '../../io/output.ts';
import { listCommand } from './list.ts';
import { removal } from './remove.ts';
import { resealCommand } from './reseal.ts';
import { setCommand } from './set.ts';

const HIDDEN = 'nothing shows a secret’s value; kiln secret ls lists their names';

const GROUP: CommandGroup = {
  name: 'secret',
  about: 'Secrets that Kiln keeps for a team’s builds. Needs the scope secrets:write.',
  operands: '…',
  commands: {
    set: { about: 'Keep one, in place of the one of that name', run: setCommand },
    ls: { about: 'List secrets, registry logins and git tokens, without their values', run: listCommand },
    rm: {
      about: 'Remove some',
      run: removal(
        'build',
        'kiln secret rm [FLAGS] NAME…',
        'Removes secrets; builds that start from now on don’t get them.',
      ),
    },
    reseal: { about: 'Seal all with the first key, and see whether they open', run: resealCommand },
  },
  elsewhere: {
    list: 'kiln secret ls lists them',
    create: 'kiln secret set does that',
    get: HIDDEN,
    show: HIDDEN,
    remove: 'kiln secret rm does that',
    delete: 'kiln secret rm does that',
    rotate: 'kiln secret reseal seals them with the first key',
  },
};

/** `kiln secret …`. */
export function secretCommand(args: readonly string[], io: Io): Promise<number> {
  return runGroup(GROUP, args, io);
}
