import { type Attempt, type BuildRecord, type BuildTrace, isTerminal, type PlacementDecision } from '@kiln/domain';
import { type Span, spanId } from './span.ts';

/** A step of an attempt, with secrets masked. Times in ms since the epoch. */
export interface TracedStep {
  readonly digest: string;
  readonly name: string;
  readonly cached: boolean;
  readonly startedAt?: number | undefined;
  readonly completedAt?: number | undefined;
  readonly error?: string | undefined;
}

/** Most steps of an attempt that get a span. */
const MAX_STEPS = 1_000;

type Traced = BuildRecord & { readonly trace: BuildTrace };

const buildSpan = (build: string) => spanId('build', build);
const queueSpan = (build: string, attempt: number) => spanId('queue', build, attempt);
const attemptSpan = (build: string, attempt: number) => spanId('attempt', build, attempt);

/** Returns the spans of a build that has just ended: the build, its waits and its attempts. None if it isn't traced, or hasn't ended. */
export function spansOfEnd(before: BuildRecord, after: BuildRecord): Span[] {
  if (!isTraced(after) || isTerminal(before.state) || !isTerminal(after.state)) return [];
  const { id, trace, attempts, finishedAt = after.queuedAt, failure } = after;
  const root = buildSpan(id);
  const queues = attempts.map((attempt, i) => waitOf(after, attempt, attempts[i - 1]?.endedAt ?? after.createdAt));
  return [
    {
      ...{ traceId: trace.id, id: root, parent: trace.parent, name: `build ${after.repo}` },
      ...{ startedAt: after.createdAt, endedAt: finishedAt },
      attributes: {
        'kiln.build.id': id,
        'kiln.build.state': after.state,
        'kiln.build.failure': failure?.code,
        'kiln.build.steps': after.steps?.total,
        'kiln.build.steps.cached': after.steps?.cached,
        'kiln.repo': after.repo,
        'kiln.team': after.team,
      },
      error: after.state === 'failed' ? (failure?.message ?? 'failed') : undefined,
    },
    ...queues,
    ...attempts.map((attempt) => attemptOf(after, attempt)),
    ...(attempts.length === 0 ? [wait(after, 1, after.createdAt, finishedAt)] : []),
  ];
}

function waitOf(build: Traced, attempt: Attempt, since: number): Span {
  return wait(build, attempt.number, since, attempt.assignedAt);
}

function wait({ id, trace }: Traced, attempt: number, startedAt: number, endedAt: number): Span {
  return {
    ...{ traceId: trace.id, id: queueSpan(id, attempt), parent: buildSpan(id), name: 'queue', startedAt, endedAt },
    attributes: { 'kiln.build.id': id, 'kiln.attempt': attempt },
  };
}

function attemptOf({ id, trace, finishedAt, failure }: Traced, attempt: Attempt): Span {
  const { number, host, assignedAt, startedAt, end } = attempt;
  const why = attempt.failure ?? (end === 'failed' ? failure : undefined);
  return {
    ...{ traceId: trace.id, id: attemptSpan(id, number), parent: buildSpan(id), name: `attempt ${number}` },
    ...{ startedAt: assignedAt, endedAt: attempt.endedAt ?? finishedAt ?? assignedAt },
    attributes: {
      ...{ 'kiln.build.id': id, 'kiln.attempt': number, 'kiln.host': host, 'kiln.attempt.end': end },
      'kiln.attempt.start_delay_ms': startedAt === undefined ? undefined : startedAt - assignedAt,
      'kiln.attempt.failure': why?.code,
    },
    error: end === 'failed' || end === 'lost' ? (why?.message ?? end) : undefined,
  };
}

/** Returns the span of the decision by which a build got its host. */
export function spansOfPlacement(
  build: BuildRecord,
  { decidedAt, host, reason, predicted, considered }: PlacementDecision,
): Span[] {
  const attempt = build.attempts.at(-1);
  if (!isTraced(build) || !attempt) return [];
  const { id, trace } = build;
  return [
    {
      ...{ traceId: trace.id, id: spanId('placement', id, attempt.number), parent: queueSpan(id, attempt.number) },
      ...{ name: 'placement', startedAt: decidedAt, endedAt: attempt.assignedAt },
      attributes: {
        ...{ 'kiln.build.id': id, 'kiln.attempt': attempt.number, 'kiln.host': host ?? undefined },
        ...{ 'kiln.placement.reason': reason, 'kiln.placement.warmth': predicted?.warmth },
        ...{ 'kiln.placement.run_ms': predicted?.runMs, 'kiln.placement.considered': considered.length },
      },
    },
  ];
}

/** Returns the spans of an attempt's steps. */
export function spansOfSteps(build: BuildRecord, attempt: number, steps: readonly TracedStep[]): Span[] {
  if (!isTraced(build)) return [];
  const { id, trace } = build;
  return steps.slice(0, MAX_STEPS).flatMap(({ digest, name, cached, startedAt, completedAt, error }) => {
    if (startedAt === undefined) return [];
    return [
      {
        ...{ traceId: trace.id, id: spanId('step', id, attempt, digest), parent: attemptSpan(id, attempt), name },
        ...{ startedAt, endedAt: completedAt ?? startedAt },
        attributes: {
          'kiln.build.id': id,
          'kiln.attempt': attempt,
          'kiln.step.digest': digest,
          'kiln.step.cached': cached,
        },
        error,
      },
    ];
  });
}

function isTraced(build: BuildRecord): build is Traced {
  return build.trace !== undefined;
}
