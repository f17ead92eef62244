import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { listCommand } from './list.ts';
import { removal } from './remove.ts';
import { resealCommand } from './reseal.ts';
import { setCommand } from './set.ts';

const HIDDEN = 'values of secrets cannot be read back; kiln secret ls lists their names';

export const secretCommand = commandGroup({
  name: 'secret',
  summary: SUMMARIES.secret,
  description: 'Manage the secrets that Kiln stores for the builds of a team.\n\nNeeds the scope secrets:write.',
  commands: {
    set: setCommand,
    ls: listCommand,
    rm: removal('build', {
      name: 'secret rm',
      synopsis: 'NAME...',
      summary: 'Remove secrets',
      description: 'Remove secrets. Builds that start from now on do not get them.',
    }),
    reseal: resealCommand,
  },
  hints: {
    list: 'use kiln secret ls',
    create: 'use kiln secret set',
    get: HIDDEN,
    show: HIDDEN,
    remove: 'use kiln secret rm',
    delete: 'use kiln secret rm',
    rotate: 'use kiln secret reseal, after putting the new key first in KILN_SECRET_KEY',
  },
});
