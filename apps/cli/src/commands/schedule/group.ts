import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { pauseCommand, removeCommand, resumeCommand, runCommand } from './actions.ts';
import { createCommand } from './create.ts';
import { listCommand, showCommand } from './list.ts';

export const scheduleCommand = commandGroup({
  name: 'schedule',
  summary: SUMMARIES.schedule,
  description: 'Manage scheduled builds, such as nightly builds or builds that keep caches warm.',
  commands: {
    create: createCommand,
    ls: listCommand,
    show: showCommand,
    run: runCommand,
    pause: pauseCommand,
    resume: resumeCommand,
    rm: removeCommand,
  },
  hints: {
    list: 'use kiln schedule ls',
    remove: 'use kiln schedule rm',
    delete: 'use kiln schedule rm',
  },
});
