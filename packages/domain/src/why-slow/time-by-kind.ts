import type { AttemptTrace } from './attempt-trace.ts';
import { kindOfStep, type StepKind } from './step-name.ts';

/** Where an attempt's time went, in ms. Together they are the time from its start to its end. */
export interface TimeByKind {
  /** Getting the sources to BuildKit: checkout or unpacking, login, sending. */
  readonly contextMs: number;
  /** Getting base images, or finding out which ones. */
  readonly pullMs: number;
  /** Instructions of the Dockerfile. */
  readonly runMs: number;
  /** Exporting, pushing, loading or sending the result. */
  readonly exportMs: number;
  /** No step was running. */
  readonly idleMs: number;
}

/** Where several kinds of step run at the same time, the time counts for the first of these. */
const ORDER: readonly Exclude<StepKind, 'other'>[] = ['run', 'pull', 'export', 'context'];

interface Edge {
  readonly at: number;
  readonly kind: Exclude<StepKind, 'other'>;
  readonly change: 1 | -1;
}

/** Attributes each moment of an attempt to one kind of work. What precedes BuildKit's first step is getting the sources. */
export function timeByKind({
  startedAt,
  endedAt,
  steps,
}: Pick<AttemptTrace, 'startedAt' | 'endedAt' | 'steps'>): TimeByKind {
  const within = (at: number) => Math.min(Math.max(at, startedAt), endedAt);
  const spans = steps.flatMap((step) => {
    const kind = kindOfStep(step.name);
    if (kind === 'other' || step.startedAt === undefined) return [];
    return [{ kind, from: within(step.startedAt), to: within(step.completedAt ?? endedAt) }];
  });
  const first = Math.min(endedAt, ...spans.map(({ from }) => from));
  const edges = [{ kind: 'context' as const, from: startedAt, to: first }, ...spans]
    .flatMap(({ kind, from, to }): Edge[] => [
      { at: from, kind, change: 1 },
      { at: to, kind, change: -1 },
    ])
    .sort((a, b) => a.at - b.at);
  const running = { run: 0, pull: 0, export: 0, context: 0 };
  const total = { run: 0, pull: 0, export: 0, context: 0, idle: 0 };
  let last = startedAt;
  const until = (at: number) => {
    const kind = ORDER.find((one) => running[one] > 0) ?? 'idle';
    total[kind] += at - last;
    last = at;
  };
  for (const { at, kind, change } of edges) {
    until(at);
    running[kind] += change;
  }
  until(endedAt);
  return {
    contextMs: total.context,
    pullMs: total.pull,
    runMs: total.run,
    exportMs: total.export,
    idleMs: total.idle,
  };
}
