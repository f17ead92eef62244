import type { WhySlowView } from '@kiln/contracts';
import {
  type Attempt,
  type AttemptTrace,
  type BuildRecord,
  type Cause,
  currentAttempt,
  type ExplainedStep,
  firstMiss,
  timeByKind,
} from '@kiln/domain';
import { instant } from '../http/answer.ts';

type CauseView = NonNullable<NonNullable<WhySlowView['steps']>['list'][number]['cause']>;

export interface Explained {
  readonly record: BuildRecord;
  readonly attempt: Attempt;
  readonly trace: AttemptTrace;
  readonly steps: readonly ExplainedStep[];
  readonly baseline: { readonly record: BuildRecord; readonly trace: AttemptTrace } | undefined;
  /** How long comparable builds ran, ms. */
  readonly usualRuns: readonly number[];
  /** How long a build is expected to run without caches, ms, if anything is known of the repo. */
  readonly coldMs: number | undefined;
}

/** The view of a build that is explained. */
export function viewWhySlow(explained: Explained): WhySlowView {
  const { record, attempt, trace, steps, baseline, usualRuns, coldMs } = explained;
  const first = firstMiss(trace, steps);
  const runMs = Math.max(0, trace.endedAt - trace.startedAt);
  const changedSecrets = baseline && secretsChanged(baseline.trace, trace);
  return {
    build: record.id,
    attempt: attempt.number,
    host: attempt.host,
    ...(attempt.end && { end: attempt.end }),
    ...(baseline && { comparedWith: viewBaseline(baseline) }),
    steps: {
      total: steps.length,
      cached: steps.filter(({ state }) => state === 'cached').length,
      ...(first !== undefined && { first }),
      ...(trace.stepsLeftOut !== undefined && { leftOut: trace.stepsLeftOut }),
      list: steps.map(({ name, state, ms, cause }) => ({
        name,
        state,
        ...(ms !== undefined && { ms: Math.round(ms) }),
        ...(cause && { cause: viewCause(cause) }),
      })),
    },
    ...(changedSecrets && changedSecrets.length > 0 && { changedSecrets }),
    ...(trace.mounts && { mounts: trace.mounts.map(viewMount), sizesAreFloors: trace.sizesAreFloors ?? false }),
    time: viewTime(record, attempt, trace),
    ...(usualRuns.length > 0 && { usual: { runMs: Math.round(median(usualRuns)), builds: usualRuns.length } }),
    ...(coldMs !== undefined && { coldMs: Math.round(coldMs) }),
    ...(coldMs !== undefined && trace.end === 'succeeded' && { savedMs: Math.round(coldMs - runMs) }),
  };
}

function viewBaseline({ record, trace }: NonNullable<Explained['baseline']>): NonNullable<WhySlowView['comparedWith']> {
  const { build, attempt, host, endedAt } = trace;
  return { build, attempt, host, finishedAt: instant(record.finishedAt ?? endedAt) };
}

function viewCause(cause: Cause): CauseView {
  switch (cause.type) {
    case 'evicted': {
      const { lost, of, since, evictions } = cause;
      const shown = evictions?.map(({ at, bytes, reason, roomFor }) => ({
        ...{ at: instant(at), bytes, reason },
        ...(roomFor !== undefined && { roomFor }),
      }));
      return { type: 'evicted', lost, of, since: instant(since), ...(shown && { evictions: shown }) };
    }
    default:
      return structuredClone(cause) as CauseView;
  }
}

function viewMount({ id, beforeBytes, afterBytes }: NonNullable<AttemptTrace['mounts']>[number]) {
  const state = beforeBytes === undefined ? 'unknown' : beforeBytes > 0 ? 'warm' : 'cold';
  return {
    id,
    state,
    ...(beforeBytes !== undefined && { beforeBytes }),
    ...(afterBytes !== undefined && { afterBytes }),
  } as const;
}

/** The queue counts from when the build was queued for this attempt. */
function viewTime(record: BuildRecord, attempt: Attempt, trace: AttemptTrace): NonNullable<WhySlowView['time']> {
  // After a lost attempt the record has only the time of the last queueing.
  const queuedAt = attempt === currentAttempt(record) ? record.queuedAt : attempt.assignedAt;
  const queueMs = Math.max(0, trace.startedAt - queuedAt);
  const rounded = Object.fromEntries(Object.entries(timeByKind(trace)).map(([kind, ms]) => [kind, Math.round(ms)]));
  const { contextMs = 0, pullMs = 0, runMs = 0, exportMs = 0, idleMs = 0 } = rounded;
  const kinds = { queueMs: Math.round(queueMs), contextMs, pullMs, runMs, exportMs, idleMs };
  return { totalMs: Object.values(kinds).reduce((sum, ms) => sum + ms, 0), ...kinds };
}

function secretsChanged(before: AttemptTrace, now: AttemptTrace): string[] {
  if (before.keyId !== now.keyId) return [];
  const ids = new Set([...Object.keys(before.secrets), ...Object.keys(now.secrets)]);
  return [...ids].filter((id) => before.secrets[id] !== now.secrets[id]).sort();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[middle]];
  return (low + high) / 2;
}
