import { buildRequest } from '@kiln/contracts';
import type { Principal } from '@kiln/domain';
import type { ScheduleStore, StoredSchedule } from '@kiln/state';
import { type Accepted, type SubmissionDeps, submitBuild } from '../builds/submit-build.ts';

/** The principal of a schedule's builds: it acts for the team, with the trust of the schedule's creator. */
export function schedulePrincipal({ id, name, team, trust }: StoredSchedule): Principal {
  return { kind: 'schedule', id: `schedule-${id}`, name, team, scopes: ['builds:write'], trust };
}

export interface ScheduleDeps extends SubmissionDeps {
  readonly schedules: Pick<
    ScheduleStore,
    'create' | 'get' | 'list' | 'change' | 'remove' | 'secretsOf' | 'noteRun' | 'lastRun' | 'nextRunAt'
  >;
  readonly now: () => number;
}

/**
 * Submits the build of a schedule as `POST /v1/builds` would, and records the result. `dueAt` (ms since the epoch) is the idempotency
 * key: however often and wherever a run is submitted, it makes one build.
 * @throws ApiProblem; the stores' errors
 */
export async function submitSchedule(
  schedule: StoredSchedule,
  dueAt: number | undefined,
  { schedules, rulesFor, now, ...deps }: ScheduleDeps,
): Promise<Accepted> {
  const { id, spec } = schedule;
  const principal = schedulePrincipal(schedule);
  const request = buildRequest.parse({ ...spec, secrets: await schedules.secretsOf(id) });
  const rules = await rulesFor(principal, request.team);
  await rules.checkTargets(spec);
  const key = dueAt === undefined ? undefined : ({ space: 'schedule', key: `${id}-${dueAt}` } as const);
  const submission = { request, [Symbol.asyncDispose]: async () => {} };
  const accepted = await submitBuild(submission, key, { ...deps, principal, rules });
  await schedules.noteRun(id, {
    ...(dueAt !== undefined && { dueAt }),
    at: now(),
    build: accepted.build.record.id,
  });
  return accepted;
}
