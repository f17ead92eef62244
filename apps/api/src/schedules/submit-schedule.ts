import { buildRequest } from '@kiln/contracts';
import type { Principal } from '@kiln/domain';
import type { ScheduleStore, StoredSchedule } from '@kiln/state';
import { type Accepted, type SubmissionDeps, submitBuild } from '../builds/submit-build.ts';

/** In whose name a schedule submits: that of nobody but its team, with the trust of who created it. */
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
 * Submits what a schedule builds, as `POST /v1/builds` would, and notes what came of it. `dueAt`, ms since the epoch: the same one
 * makes one build, however often, and wherever, it is submitted.
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
