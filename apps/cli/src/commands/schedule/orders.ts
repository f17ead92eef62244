import type { KilnClient } from '@kiln/client';
import { type ScheduleView, scheduleId } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { whenText } from './when-text.ts';

const spec = (command: string, about: string) =>
  ({
    usage: `kiln schedule ${command} [FLAGS] NAME…`,
    about: `${about} NAME may be an id, or TEAM/NAME where several teams have one of the name.`,
    operands: [1, Number.POSITIVE_INFINITY],
    flags: {},
  }) as const;

/** What is done to each schedule, and what is printed of it: the answer, and a line. */
type Order = (client: KilnClient, schedule: ScheduleView, nowMs: number) => Promise<readonly [unknown, string]>;

function orderCommand(command: string, about: string, order: Order) {
  return (args: readonly string[], io: Io): Promise<number> =>
    runCommand(spec(command, about), args, io, async ({ flags, client, operands }) => {
      const schedules = await client.schedules();
      for (const schedule of operands.map((text) => find(schedules, text))) {
        const [answer, line] = await order(client, schedule, io.now());
        io.out.line(flags.json ? JSON.stringify(answer, null, 2) : line);
      }
      return EXIT.ok;
    });
}

export const rmCommand = orderCommand('rm', 'Removes schedules; their builds stay.', async (client, { id, name }) => [
  await client.removeSchedule(id),
  `${name} removed`,
]);

export const runNowCommand = orderCommand(
  'run',
  'Builds now what is scheduled, paused or not.',
  async (client, { id }) => {
    const build = await client.runSchedule(id);
    return [build, build.id];
  },
);

const paused = (isPaused: boolean): Order => {
  return async (client, { id, name }, now) => {
    const changed = await client.changeSchedule(id, { paused: isPaused });
    return [changed, `${name}: ${whenText(changed, now)}`];
  };
};

export const pauseCommand = orderCommand('pause', 'Leaves schedules out until they are resumed.', paused(true));
export const resumeCommand = orderCommand('resume', 'Ends the pause of schedules.', paused(false));

function find(schedules: readonly ScheduleView[], text: string): ScheduleView {
  const isId = scheduleId.safeParse(text).success;
  const found = schedules.filter(
    ({ id, name, team }) => name === text || `${team}/${name}` === text || (isId && id === text),
  );
  const [only] = found;
  if (!only) throw new UsageError(`there is no schedule ${text}; kiln schedule ls lists those that there are`);
  if (found.length > 1) {
    throw new UsageError(`${text} may be any of ${found.map(({ team, name }) => `${team}/${name}`).join(', ')}`);
  }
  return only;
}
