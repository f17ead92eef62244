import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { addCommand } from './add.ts';
import { listCommand } from './list.ts';
import { removeCommand } from './remove.ts';
import { showCommand } from './show.ts';
import { useCommand } from './use.ts';

export const contextCommand = commandGroup({
  name: 'context',
  summary: SUMMARIES.context,
  description:
    'Manage contexts: the pools that you use, each with an address and a token, by a name. One of them is in use; --context NAME or KILN_CONTEXT chooses another for one command, and --url or KILN_URL any address. ' +
    'The context local is the pool that kiln up runs on this machine.\n\nContexts are stored in kiln/contexts.json in your configuration directory ($XDG_CONFIG_HOME, or ~/.config), or in $KILN_CONFIG.',
  commands: { ls: listCommand, show: showCommand, use: useCommand, add: addCommand, rm: removeCommand },
  hints: {
    list: 'use kiln context ls',
    create: 'use kiln context add, or kiln login',
    set: 'use kiln context add, which replaces a context of the same name',
    remove: 'use kiln context rm',
    delete: 'use kiln context rm',
  },
});
