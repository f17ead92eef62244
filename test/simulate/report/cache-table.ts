import { table } from '../../bench/support/report.ts';
import { simulate } from '../engine/simulate.ts';
import { KilnPolicy } from '../protocol/bridge.ts';
import type { Trace } from '../trace/trace.ts';
import { type Metrics, metricsOf } from './metrics.ts';

/** How caches are evicted and spread: what `--caches` compares, the first with the others. */
export const CACHE_VARIANTS = [
  { name: 'least recently used', eviction: 'lru', seeding: false },
  { name: 'worth', eviction: 'worth', seeding: false },
  { name: 'least recently used, seeding', eviction: 'lru', seeding: true },
  { name: 'worth, seeding', eviction: 'worth', seeding: true },
] as const;

/** Plays a trace with each variant. Returns their figures in the same order. */
export function playVariants(trace: Trace, seed: number, depKnown: boolean): Metrics[] {
  return CACHE_VARIANTS.map(({ eviction, seeding }) =>
    metricsOf(simulate(trace, new KilnPolicy(undefined, { seeding }), { seed, depKnown, eviction }), trace.measureFrom),
  );
}

/** Returns a line for each variant: geometric means of its figures over those of the first, and in how many pools its mean is better. */
export function cacheTable(pools: readonly (readonly Metrics[])[]): string {
  const rows = CACHE_VARIANTS.map(({ name }, i) => {
    const ratio = (figure: (m: Metrics) => number) =>
      geometricMean(pools.map((all) => figure(all[i] as Metrics) / figure(all[0] as Metrics))).toFixed(3);
    const warm = pools.reduce((sum, all) => sum + (all[i]?.warmShare ?? 0), 0) / pools.length;
    const better = pools.filter((all) => (all[i]?.meanFinish ?? 0) < 0.99 * (all[0]?.meanFinish ?? 0)).length;
    const worse = pools.filter((all) => (all[i]?.meanFinish ?? 0) > 1.01 * (all[0]?.meanFinish ?? 0)).length;
    const percent = `${(100 * warm).toFixed(1)} %`;
    return [name, ratio((m) => m.meanFinish), ratio((m) => m.p95Finish), percent, `${better}`, `${worse}`];
  });
  return table([['', 'mean ÷', 'p95 ÷', 'warm', 'better by 1 %', 'worse by 1 %'], ...rows]);
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
