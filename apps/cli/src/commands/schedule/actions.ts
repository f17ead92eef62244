import type { KilnClient } from '@kiln/client';
import { type ScheduleView, scheduleId } from '@kiln/contracts';
import type { Command } from '../../framework/command.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { whenText } from './when-text.ts';

/** Acts on one schedule. Returns the answer, for `--json`, and a line that describes the result. */
type Action = (client: KilnClient, schedule: ScheduleView, nowMs: number) => Promise<readonly [unknown, string]>;

/** Defines a command that performs an action on each of the schedules that are named. */
function actionCommand(name: string, summary: string, action: Action): Command {
  return clientCommand(
    {
      name: `schedule ${name}`,
      synopsis: 'NAME...',
      summary,
      description: `${summary}.\n\nNAME is the name of a schedule or its id, or TEAM/NAME if several teams have a schedule of that name.`,
      operands: [1, Number.POSITIVE_INFINITY],
      flags: {},
    },
    async ({ flags, client, operands, io }) => {
      const schedules = await client.schedules();
      for (const schedule of operands.map((text) => findSchedule(schedules, text))) {
        const [answer, line] = await action(client, schedule, io.now());
        io.out.line(flags.json ? JSON.stringify(answer, null, 2) : line);
      }
      return EXIT.ok;
    },
  );
}

export const removeCommand = actionCommand(
  'rm',
  'Remove schedules; their builds are kept',
  async (client, { id, name }) => [await client.removeSchedule(id), `${name} removed`],
);

export const runCommand = actionCommand(
  'run',
  'Build now what is scheduled, even if paused',
  async (client, { id }) => {
    const build = await client.runSchedule(id);
    return [build, build.id];
  },
);

const setPaused = (paused: boolean): Action => {
  return async (client, { id, name }, now) => {
    const changed = await client.changeSchedule(id, { paused });
    return [changed, `${name}: ${whenText(changed, now)}`];
  };
};

export const pauseCommand = actionCommand('pause', 'Pause schedules until they are resumed', setPaused(true));
export const resumeCommand = actionCommand('resume', 'Resume paused schedules', setPaused(false));

/** Returns the schedule that a name, an id or TEAM/NAME names. @throws UsageError if none does, or several do */
export function findSchedule(schedules: readonly ScheduleView[], text: string): ScheduleView {
  const isId = scheduleId.safeParse(text).success;
  const found = schedules.filter(
    ({ id, name, team }) => name === text || `${team}/${name}` === text || (isId && id === text),
  );
  const [only] = found;
  if (!only) throw new UsageError(`no schedule ${text}; kiln schedule ls lists all`);
  if (found.length > 1) {
    throw new UsageError(
      `${text} matches several schedules: ${found.map(({ team, name }) => `${team}/${name}`).join(', ')}`,
    );
  }
  return only;
}
