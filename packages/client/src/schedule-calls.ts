import type { BuildView, ScheduleChange, ScheduleRequest, ScheduleView } from '@kiln/contracts';
import { AccessCalls } from './access-calls.ts';
import { jsonBody } from './api-calls.ts';
import type { CallOptions } from './options.ts';

/** The methods of `KilnClient` about schedules. Those that take an id throw a `KilnProblem` with code `schedule_not_found` if it doesn't exist. */
export class ScheduleCalls extends AccessCalls {
  /** Creates a scheduled build. Throws a `KilnProblem` with code `schedule_exists` if the team already has a schedule of that name. */
  createSchedule(request: ScheduleRequest, { signal }: CallOptions = {}): Promise<ScheduleView> {
    return this.json('/v1/schedules', 'scheduleView', { method: 'POST', ...jsonBody(request), signal });
  }

  /** Lists schedules by team and name. */
  async schedules({ signal }: CallOptions = {}): Promise<ScheduleView[]> {
    return (await this.json('/v1/schedules', 'scheduleList', { signal })).schedules;
  }

  changeSchedule(id: string, change: ScheduleChange, { signal }: CallOptions = {}): Promise<ScheduleView> {
    return this.json(schedulePath(id), 'scheduleView', { method: 'PATCH', ...jsonBody(change), signal });
  }

  removeSchedule(id: string, { signal }: CallOptions = {}): Promise<ScheduleView> {
    return this.json(schedulePath(id), 'scheduleView', { method: 'DELETE', signal });
  }

  /** Submits the schedule's build now. */
  runSchedule(id: string, { signal }: CallOptions = {}): Promise<BuildView> {
    return this.json(`${schedulePath(id)}/run`, 'buildView', { method: 'POST', signal });
  }
}

function schedulePath(id: string): string {
  return `/v1/schedules/${encodeURIComponent(id)}`;
}
