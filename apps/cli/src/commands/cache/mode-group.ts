import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { modesCommand } from './modes.ts';
import { setModeCommand } from './set-mode.ts';

export const cacheModeCommand = commandGroup({
  name: 'cache-mode',
  summary: SUMMARIES['cache-mode'],
  description: 'Manage the default cache modes of repositories, for builds that name none.',
  commands: { ls: modesCommand, set: setModeCommand },
  hints: { list: 'use kiln cache-mode ls', rm: 'use kiln cache-mode set REPO default' },
});
