import type { AttemptTrace } from './attempt-trace.ts';
import type { Cause, FileChanges, RepoEviction } from './cause.ts';
import { type Comparison, findDifference } from './find-difference.ts';
import { withoutIgnored } from './ignored-files.ts';
import { type GraphStep, TraceGraph } from './trace-graph.ts';

export type StepState = 'cached' | 'ran' | 'failed' | 'canceled' | 'not_run';

/** A step of the Dockerfile, and why it was not cached. */
export interface ExplainedStep {
  readonly name: string;
  readonly state: StepState;
  readonly ms?: number | undefined;
  readonly cause?: Cause | undefined;
}

export interface Compare {
  readonly trace: AttemptTrace;
  /** The build to compare with, and what differs between the contexts. */
  readonly with?: { readonly trace: AttemptTrace; readonly files: FileChanges } | undefined;
  /** Caches of the repo that the host removed between the two builds, as far as that is known. */
  readonly evictions?: readonly RepoEviction[] | undefined;
}

/**
 * Explains each step that was not cached, in the order of the Dockerfile. A step that is based on one that was not cached points to that; any other is
 * compared with its counterpart in an earlier build. What isn't known is said to be unknown.
 */
export function explainMisses(compare: Compare): ExplainedStep[] {
  const given = withVisibleFiles(compare);
  const now = new TraceGraph(given.trace);
  const before = given.with && new TraceGraph(given.with.trace);
  const ordered = now.inOrder();
  const positions = new Map(ordered.map((step, position) => [step.index, position]));
  return ordered.map((step) => {
    const state = stateOf(step);
    const { startedAt, completedAt } = step;
    const ms = startedAt !== undefined && completedAt !== undefined ? Math.max(0, completedAt - startedAt) : undefined;
    if (!TraceGraph.missed(step)) return { name: step.name, state };
    const parent = now.ancestors(step).find(TraceGraph.missed);
    const cause: Cause = parent
      ? { type: 'parent_missed', parent: positions.get(parent.index) ?? 0 }
      : causeOf(given, now, before, step);
    return { name: step.name, state, ...(ms !== undefined && { ms }), cause };
  });
}

/** Leaves out the changes of files that weren't in the context of either build. */
function withVisibleFiles(given: Compare): Compare {
  if (!given.with) return given;
  const { trace, files } = given.with;
  return { ...given, with: { trace, files: withoutIgnored(files, [trace.ignores, given.trace.ignores]) } };
}

/** Returns the position of the first step that was not cached for a reason of its own: the one that started first. */
export function firstMiss(trace: AttemptTrace, steps: readonly ExplainedStep[]): number | undefined {
  const ordered = new TraceGraph(trace).inOrder();
  const own = steps.flatMap(({ cause }, position) => (cause && cause.type !== 'parent_missed' ? [position] : []));
  const startOf = (position: number) => ordered[position]?.startedAt ?? Number.POSITIVE_INFINITY;
  return own.sort((a, b) => startOf(a) - startOf(b) || a - b)[0];
}

function causeOf(given: Compare, now: TraceGraph, before: TraceGraph | undefined, step: GraphStep): Cause {
  const { trace } = given;
  if (trace.cacheMode === 'fresh') return { type: 'fresh_builder', mode: trace.cacheMode };
  if (trace.noCache) return { type: 'no_cache' };
  if (!before || !given.with) return { type: 'first_build' };
  const { difference, ...rest } = findDifference({ now, before, files: given.with.files }, step);
  if (!sameBuilder(trace, before.trace)) return { type: 'first_on_host', ...(difference && { also: difference }) };
  return difference ?? removed(given, rest) ?? { type: 'unknown', ...rest };
}

/** Whether two attempts had the same caches. In the modes that bring their cache along, the host doesn't matter. */
export function sameBuilder(a: AttemptTrace, b: AttemptTrace): boolean {
  if (a.cacheMode === 'registry' || a.cacheMode === 'archive') return true;
  return a.host === b.host && a.domain === b.domain;
}

/** Whether layers that the repo's last build had used were removed. That explains a step only if everything was compared, and is the same. */
function removed({ trace, evictions = [] }: Compare, { notCompared }: Comparison): Cause | undefined {
  if (notCompared.length > 0 || !trace.layers || trace.layers.lost === 0) return undefined;
  const { since } = trace.layers;
  const own = evictions.filter(({ at }) => at >= since && at <= trace.endedAt);
  return { type: 'evicted', ...trace.layers, ...(own.length > 0 && { evictions: own }) };
}

function stateOf(step: GraphStep): StepState {
  if (step.cached) return 'cached';
  if (step.startedAt === undefined) return 'not_run';
  if (step.error === undefined) return step.completedAt === undefined ? 'canceled' : 'ran';
  return /\bcontext canceled\b/i.test(step.error) ? 'canceled' : 'failed';
}
