import { type OperationId, type ScheduleView, scheduleChange, scheduleId, scheduleRequest } from '@kiln/contracts';
import { ALL_TEAMS, type Principal, seesTeam } from '@kiln/domain';
import type { StoredSchedule } from '@kiln/state';
import type { Request } from 'express';
import { requireActsOn } from '../access/act-on.ts';
import { admitRequest } from '../access/admit-request.ts';
import type { Handler } from '../access/call.ts';
import { viewBuild } from '../builds/build-view.ts';
import type { ApiConfig } from '../config.ts';
import { instant, sendJson } from '../http/answer.ts';
import { ApiProblem, codeOf, fieldProblem, parameter, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { jsonBody } from '../http/json-body.ts';
import { type ScheduleDeps, submitSchedule } from './submit-schedule.ts';

type ScheduleOperation = Extract<OperationId, `${string}Schedule` | 'listSchedules'>;

/** The routes of schedules. */
export function scheduleHandlers(config: ApiConfig, deps: ScheduleDeps): Record<ScheduleOperation, Handler> {
  const { schedules, builds } = deps;
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const body = (request: Request) => jsonBody(request, config.maxJsonBytes);
  const idOf = (request: Request) => parameter(scheduleId, 'id', request.params.id);

  const found = async (request: Request, principal: Principal): Promise<StoredSchedule> => {
    const id = idOf(request);
    const schedule = await stored(schedules.get(id));
    if (!schedule || !seesTeam(principal, schedule.team)) throw notFound(id);
    return schedule;
  };

  /** @throws ApiProblem `schedule_not_found`; `forbidden` for an untrusted principal and a trusted schedule */
  const toChange = async (request: Request, principal: Principal): Promise<StoredSchedule> => {
    const schedule = await found(request, principal);
    requireActsOn(principal, 'schedule', schedule);
    return schedule;
  };

  const view = async (schedule: StoredSchedule): Promise<ScheduleView> => {
    const { id, createdAt, spec, ...shown } = schedule;
    const [nextRunAt, lastRun] = await Promise.all([schedules.nextRunAt(id), schedules.lastRun(id)]);
    const state = lastRun?.build === undefined ? undefined : (await builds.record(lastRun.build))?.state;
    return {
      ...{ id, ...shown, createdAt: instant(createdAt), request: spec },
      ...(nextRunAt !== undefined && { nextRunAt: instant(nextRunAt) }),
      ...(lastRun && {
        lastRun: {
          ...(lastRun.dueAt !== undefined && { dueAt: instant(lastRun.dueAt) }),
          at: instant(lastRun.at),
          ...(lastRun.build !== undefined && { build: lastRun.build }),
          ...(state && { state }),
          ...(lastRun.refused && { refused: lastRun.refused }),
        },
      }),
    };
  };

  return {
    async createSchedule(request, response, { principal, note }) {
      const asked = await body(request);
      const { request: build, ...times } = parsed(scheduleRequest, asked);
      const admitted = admitRequest(build, namedTeam(asked), principal, deps.untrustedPush);
      await (await deps.rulesFor(principal, admitted.team)).checkTargets(admitted);
      // The schema refuses logins of a client.
      const { secrets, registryLogins: _, ...rest } = admitted;
      const { trust, name: createdBy } = principal;
      const schedule = await stored(
        schedules
          .create({
            ...times,
            ...{ team: admitted.team, trust, createdBy, secrets },
            spec: { ...rest, secrets: Object.keys(secrets).sort() },
          })
          .catch(explained(times.name)),
      );
      note({ target: schedule.id, details: { name: schedule.name, team: schedule.team, cron: schedule.cron } });
      sendJson(response, 201, await stored(view(schedule)));
    },

    async listSchedules(_request, response, { principal }) {
      const { team } = principal;
      const all = (await stored(schedules.list())).filter((one) => team === ALL_TEAMS || one.team === team);
      sendJson(response, 200, { schedules: await stored(Promise.all(all.map(view))) });
    },

    async readSchedule(request, response, { principal }) {
      sendJson(response, 200, await stored(view(await found(request, principal))));
    },

    async changeSchedule(request, response, { principal, note }) {
      const { id, name } = await toChange(request, principal);
      const change = parsed(scheduleChange, await body(request));
      note({ details: { change: JSON.stringify(change) } });
      const changed = await stored(schedules.change(id, change).catch(explained(name)));
      if (!changed) throw notFound(id);
      sendJson(response, 200, await stored(view(changed)));
    },

    async runSchedule(request, response, { principal, note }) {
      const schedule = await toChange(request, principal);
      const { build } = await stored(submitSchedule(schedule, undefined, deps));
      note({ details: { build: build.record.id } });
      response.setHeader('Location', viewBuild(build).links.self);
      sendJson(response, 202, viewBuild(build));
    },

    async removeSchedule(request, response, { principal, note }) {
      const schedule = await toChange(request, principal);
      const last = await stored(view(schedule));
      if (!(await stored(schedules.remove(schedule.id)))) throw notFound(schedule.id);
      note({ details: { name: schedule.name, team: schedule.team } });
      sendJson(response, 200, last);
    },
  };
}

/** The team that a schedule's request names, if any. */
function namedTeam(body: unknown): string | undefined {
  return (body as { readonly request: { readonly team?: string } }).request.team;
}

function notFound(id: string): ApiProblem {
  return fieldProblem('schedule_not_found', 'id', id, 'the id of a schedule; GET /v1/schedules lists them');
}

/** Maps the store's refusals to problems. */
function explained(name: string): (error: unknown) => never {
  return (error) => {
    if (codeOf(error) === 'schedule_exists') {
      throw new ApiProblem('schedule_exists', `the team already has a schedule named ${name}`, {
        errors: [
          { field: 'name', got: JSON.stringify(name), expected: 'a name that no other schedule of the team has' },
        ],
      });
    }
    if (codeOf(error) === 'invalid_cron') {
      const { message } = error as Error;
      throw fieldProblem('invalid_request', 'cron', message, 'a cron expression that matches at least one time');
    }
    throw error;
  };
}
