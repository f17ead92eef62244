import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { createCommand } from './create.ts';
import { listCommand, showCommand } from './list.ts';
import { removeCommand } from './revoke.ts';

export const tokenCommand = commandGroup({
  name: 'token',
  summary: SUMMARIES.token,
  description: 'Manage the tokens with which people, CI and workers authenticate.\n\nNeeds the scope admin.',
  commands: { create: createCommand, ls: listCommand, show: showCommand, rm: removeCommand },
  hints: { list: 'use kiln token ls', delete: 'use kiln token rm' },
});
