import type { ScheduleView } from '@kiln/contracts';
import { printList } from '../../io/print.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { shortId } from '../build/build-id.ts';
import { lastText, whenText } from './when-text.ts';

export const listCommand = clientCommand(
  {
    name: 'schedule ls',
    summary: 'List schedules with their next and last run',
    description: 'List schedules by team and name, with their next run and the result and build of their last run.',
    operands: [0, 0],
    flags: {},
  },
  async ({ flags, client, io }) =>
    printList(io, flags.json, 'schedules', {
      rows: await client.schedules(),
      columns: columns(io.now()),
      none: 'no schedules; create one with kiln schedule create',
    }),
);

function columns(now: number): Column<ScheduleView>[] {
  return [
    { title: 'NAME', text: ({ name }) => name, min: 8 },
    { title: 'TEAM', text: ({ team }) => team, min: 4 },
    { title: 'CRON', text: ({ cron }) => cron },
    {
      title: 'NEXT',
      text: (one) => whenText(one, now),
      min: 8,
      style: ({ paused }) => (paused ? 'yellow' : undefined),
    },
    {
      title: 'LAST',
      text: (one) => lastText(one, now),
      style: ({ lastRun }) => (lastRun?.refused || lastRun?.state === 'failed' ? 'red' : undefined),
    },
    { title: 'BUILD', text: ({ lastRun }) => (lastRun?.build === undefined ? '-' : shortId(lastRun.build)) },
  ];
}
