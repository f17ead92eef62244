import type { ScheduleView } from '@kiln/contracts';
import { age } from '../../io/ages.ts';

/** Describes the next run of a schedule. */
export function whenText({ nextRunAt, paused, timezone }: ScheduleView, nowMs: number): string {
  if (nextRunAt === undefined) return paused ? 'paused' : 'never';
  const at = new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, dateStyle: 'short', timeStyle: 'short' });
  return `next ${at.format(new Date(nextRunAt))} ${timezone}, in ${age(nowMs, Date.parse(nextRunAt))}`;
}

/** Describes the last run of a schedule. */
export function lastText({ lastRun }: ScheduleView, nowMs: number): string {
  if (!lastRun) return 'never';
  const what = lastRun.refused?.code ?? lastRun.state ?? 'no longer kept';
  return `${what} ${age(Date.parse(lastRun.at), nowMs)} ago`;
}
