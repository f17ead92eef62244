import type { ScheduleView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { shortId } from '../build/build-id.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';
import { lastText, whenText } from './when-text.ts';

const SPEC = {
  usage: 'kiln schedule ls [FLAGS]',
  about: 'Lists schedules by team and name. BUILD is that of the last run.',
  operands: [0, 0],
  flags: {},
} as const;

export function listCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client }) => {
    const schedules = await client.schedules();
    if (flags.json) io.out.line(JSON.stringify({ schedules }, null, 2));
    else if (schedules.length > 0) io.out.write(renderTable(columns(io.now()), schedules, io.out));
    else io.err.line('kiln: no schedules; kiln schedule create makes one');
    return EXIT.ok;
  });
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
