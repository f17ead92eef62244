import type { ProblemCode } from '@kiln/contracts';
import type { AuditLog, DueSchedule, NewAuditEntry } from '@kiln/state';
import type { Logger } from 'pino';
import { ApiProblem, problemOf } from '../http/api-problem.ts';
import { type ScheduleDeps, schedulePrincipal, submitSchedule } from './submit-schedule.ts';

/** Refusals that may be gone at the next try. */
const PASSING: ReadonlySet<ProblemCode> = new Set(['queue_full', 'store_full', 'unavailable', 'disk_full']);

/**
 * Creates the consumer that submits the builds of due schedules. It throws on transient failures, so that the run is retried soon; a
 * refusal is recorded with the schedule, which then waits for its next time.
 */
export function scheduleRunner(
  deps: ScheduleDeps,
  { audit, log }: { readonly audit: Pick<AuditLog, 'append'>; readonly log: Logger },
): (due: DueSchedule) => Promise<void> {
  return async ({ id, dueAt, isLastTry }) => {
    const schedule = await deps.schedules.get(id);
    // Paused or removed after the run was queued.
    if (!schedule || schedule.paused) return;
    const { kind, id: actor, name, team } = schedulePrincipal(schedule);
    const note = (rest: Pick<NewAuditEntry, 'target' | 'outcome' | 'status' | 'code' | 'reason'>) =>
      audit.append({
        ...{ actor: { kind, id: actor, name, team }, action: 'runSchedule', ip: '', requestId: `${actor}-${dueAt}` },
        ...rest,
      });
    try {
      const { build, replayed } = await submitSchedule(schedule, dueAt, deps);
      log.info({ scheduleId: id, dueAt, buildId: build.record.id, replayed }, 'schedule submitted');
      if (!replayed) await note({ target: build.record.id, outcome: 'done', status: 202 });
    } catch (error) {
      const problem = problemOf(error);
      const mayPass = !(error instanceof ApiProblem) || PASSING.has(problem.code);
      if (mayPass && !isLastTry) throw error;
      const refused = { code: problem.code, message: problem.message };
      await deps.schedules.noteRun(id, { dueAt, at: deps.now(), refused });
      log.warn({ err: error, scheduleId: id, dueAt }, 'schedule not submitted');
      const { status, code, message: reason } = problem;
      await note({ target: id, outcome: status === 403 ? 'refused' : 'failed', status, code, reason });
    }
  };
}
