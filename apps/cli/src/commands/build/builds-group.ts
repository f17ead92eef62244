import { commandGroup } from '../../framework/command-group.ts';
import { SUMMARIES } from '../summaries.ts';
import { listCommand } from './ps.ts';
import { showCommand } from './show.ts';

export const buildsCommand = commandGroup({
  name: 'builds',
  summary: SUMMARIES.builds,
  description: 'List and show builds. kiln build makes one, kiln cancel ends it.',
  commands: { ls: listCommand, show: showCommand },
  hints: {
    list: 'use kiln builds ls',
    create: 'use kiln build',
    rm: 'use kiln cancel; builds are removed when their retention ends',
  },
});
