import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { listCommand } from './list.ts';
import { setCommand } from './set.ts';
import { showCommand } from './show.ts';

export const limitCommand = commandGroup({
  name: 'limit',
  summary: SUMMARIES.limit,
  description:
    'Show or set the limits of teams and tokens.\n\nListing all limits and setting them need the scope admin.',
  commands: { show: showCommand, ls: listCommand, set: setCommand },
  hints: { list: 'use kiln limit ls' },
});
