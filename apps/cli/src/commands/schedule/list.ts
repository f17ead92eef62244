import type { ScheduleView } from '@kiln/contracts';
import { OUTPUT_FLAGS, printList, printOne } from '../../framework/print.ts';
import { type Column, fieldLines } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { shortId } from '../build/build-id.ts';
import { findSchedule } from './actions.ts';
import { lastText, whenText } from './when-text.ts';

export const listCommand = clientCommand(
  {
    name: 'schedule ls',
    summary: 'List schedules with their next and last run',
    description: 'List schedules by team and name, with their next run and the result and build of their last run.',
    operands: [0, 0],
    flags: { ...OUTPUT_FLAGS },
  },
  async ({ flags, client, io }) =>
    printList(io, flags, 'schedules', {
      name: ({ name }) => name,
      rows: await client.schedules(),
      columns: columns(io.now()),
      none: 'no schedules; create one with kiln schedule create',
    }),
);

export const showCommand = clientCommand(
  {
    name: 'schedule show',
    synopsis: 'NAME',
    summary: 'Show a schedule and what it builds',
    operands: [1, 1],
    flags: OUTPUT_FLAGS,
  },
  async ({ flags, client, operands: [named = ''], io }) => {
    const schedule = findSchedule(await client.schedules(), named);
    const { id, name, team, cron, timezone } = schedule;
    return printOne(io, flags, {
      value: schedule,
      name,
      text: () =>
        fieldLines([
          ['name', name],
          ['id', id],
          ['team', team],
          ['cron', `${cron} (${timezone})`],
          ['next', whenText(schedule, io.now())],
          ['last', lastText(schedule, io.now())],
          ['builds', sourceText(schedule.request.source)],
        ]),
    });
  },
);

/** Describes what is built: `https://git.example.com/app.git#main`, or the name of an upload. */
function sourceText(source: ScheduleView['request']['source']): string {
  if (source.type !== 'git') return source.name ?? 'an upload';
  return source.ref === undefined ? source.url : `${source.url}#${source.ref}`;
}

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
