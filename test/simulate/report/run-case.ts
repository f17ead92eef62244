import { pooledBound } from '../engine/pooled-bound.ts';
import { type BuildOutcome, simulate } from '../engine/simulate.ts';
import { POLICIES } from '../policies/catalog.ts';
import type { Trace } from '../trace/trace.ts';
import { type Metrics, metricsOf } from './metrics.ts';

/** The result of one policy, or of the bound, on one trace. */
export interface CaseResult {
  readonly policy: string;
  readonly metrics: Metrics;
  readonly outcomes: readonly BuildOutcome[];
}

export const BOUND = 'pooled-bound';

/** Plays the trace with the bound and then with each policy, in the given order. */
export function runCase(trace: Trace, policies: readonly string[], seed: number, depKnown: boolean): CaseResult[] {
  const bound = pooledBound(trace);
  const result = (policy: string, outcomes: readonly BuildOutcome[]): CaseResult => ({
    policy,
    metrics: metricsOf(outcomes, trace.measureFrom),
    outcomes,
  });
  return [
    result(BOUND, bound),
    ...policies.map((name) => {
      const policy = POLICIES[name]?.make();
      if (!policy) throw new Error(`no policy ${name}`);
      return result(name, simulate(trace, policy, { seed, depKnown }));
    }),
  ];
}
