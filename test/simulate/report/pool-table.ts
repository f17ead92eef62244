import { table } from '../../bench/support/report.ts';
import type { Metrics } from './metrics.ts';
import { BOUND } from './run-case.ts';

/** How Kiln did in one random pool, beside the bound and the best of the policies that it is compared with. */
export interface PoolResult {
  readonly pool: string;
  readonly size: string;
  readonly load: number;
  readonly byPolicy: ReadonlyMap<string, Metrics>;
}

/** A policy is behind another if its mean time to finish is longer by more than this factor. */
export const BEHIND = 1.02;

/** Returns the best of the other policies by mean time to finish. */
export function bestOther(byPolicy: ReadonlyMap<string, Metrics>): readonly [name: string, metrics: Metrics] {
  const others = [...byPolicy].filter(([name]) => name !== BOUND && name !== 'kiln');
  const [first, ...rest] = others;
  if (!first) throw new Error('no policy to compare Kiln with');
  return rest.reduce((best, one) => (one[1].meanFinish < best[1].meanFinish ? one : best), first);
}

/** Returns a line for each pool, and one that sums them up. */
export function poolTable(results: readonly PoolResult[]): string {
  const rows = results.map(({ pool, size, load, byPolicy }) => {
    const kiln = byPolicy.get('kiln') as Metrics;
    const bound = byPolicy.get(BOUND) as Metrics;
    const [name, best] = bestOther(byPolicy);
    return {
      ratio: kiln.meanFinish / bound.meanFinish,
      behind: kiln.meanFinish > best.meanFinish * BEHIND,
      starved: kiln.longestWait > 1_800 && bound.longestWait < 900,
      cells: [
        pool,
        size,
        load.toFixed(2),
        (kiln.meanFinish / bound.meanFinish).toFixed(2),
        (best.meanFinish / bound.meanFinish).toFixed(2),
        name,
        (kiln.p95Finish / bound.p95Finish).toFixed(2),
        (kiln.longestWait / 60).toFixed(0),
        (bound.longestWait / 60).toFixed(0),
      ],
    };
  });
  const head = ['', 'size', 'load', 'mean ÷', 'best other', '', 'p95 ÷', 'longest wait, min', 'bound’s'];
  const ratios = rows.map(({ ratio }) => ratio).sort((a, b) => a - b);
  const median = ratios[Math.floor(ratios.length / 2)]?.toFixed(2);
  const count = (is: (row: (typeof rows)[number]) => boolean) => `${rows.filter(is).length} of ${rows.length}`;
  return [
    table([head, ...rows.map(({ cells }) => cells)]),
    '',
    `  median of mean ÷ bound ${median}; behind another policy in ${count(({ behind }) => behind)}; a wait of more than 30 min`,
    `  where the bound's longest is under 15 in ${count(({ starved }) => starved)}`,
  ].join('\n');
}
