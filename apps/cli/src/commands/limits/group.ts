import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { listCommand } from './list.ts';
import { setCommand } from './set.ts';
import { showCommand } from './show.ts';

export const limitsCommand = commandGroup({
  name: 'limits',
  summary: SUMMARIES.limits,
  description:
    'Show or set the limits of teams and tokens. Without a command, show your own limits and their use.\n\nListing all limits and setting them need the scope admin.',
  commands: { show: showCommand, ls: listCommand, set: setCommand },
  hints: { list: 'use kiln limits ls' },
  fallback: showCommand,
});
