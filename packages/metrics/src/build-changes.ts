import { type BuildRecord, currentAttempt, isTerminal } from '@kiln/domain';
import { type Metrics, observeMs } from './metrics.ts';

/** Counts an accepted build. */
export function countAccepted(metrics: Metrics, { createdBy, cacheMode = 'warm' }: BuildRecord): void {
  metrics.count('kiln_builds_accepted_total', 1, { trigger: createdBy?.kind ?? 'unknown', mode: cacheMode });
}

/** Counts what a change of a build's record means: an assignment, the end of an attempt, the end of the build. */
export function countChange(metrics: Metrics, before: BuildRecord, after: BuildRecord): void {
  const attempt = currentAttempt(after);
  const previous = attempt && before.attempts[attempt.number - 1];
  if (attempt && !previous) observeMs(metrics, 'kiln_build_wait_seconds', attempt.assignedAt - before.queuedAt);
  if (attempt?.end !== undefined && previous?.end === undefined)
    metrics.count('kiln_attempts_ended_total', 1, { end: attempt.end, code: attempt.failure?.code ?? 'none' });
  if (isTerminal(before.state) || !isTerminal(after.state)) return;
  const { state, failure, steps } = after;
  metrics.count('kiln_builds_ended_total', 1, { state, code: failure?.code ?? 'none' });
  // A build that shares another's run has run no steps of its own.
  if (after.sharedRun !== undefined) return;
  if (attempt?.startedAt !== undefined)
    observeMs(metrics, 'kiln_build_duration_seconds', (attempt.endedAt ?? after.finishedAt ?? 0) - attempt.startedAt, {
      state,
    });
  if (!steps) return;
  metrics.count('kiln_build_steps_total', steps.cached, { cached: 'true' });
  metrics.count('kiln_build_steps_total', steps.total - steps.cached, { cached: 'false' });
}
