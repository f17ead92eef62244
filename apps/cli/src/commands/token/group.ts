import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { createCommand } from './create.ts';
import { listCommand } from './list.ts';
import { revokeCommand } from './revoke.ts';

export const tokenCommand = commandGroup({
  name: 'token',
  summary: SUMMARIES.token,
  description: 'Manage the tokens with which people, CI and workers authenticate.\n\nNeeds the scope admin.',
  commands: { create: createCommand, ls: listCommand, revoke: revokeCommand },
  hints: { list: 'use kiln token ls', rm: 'use kiln token revoke', delete: 'use kiln token revoke' },
});
