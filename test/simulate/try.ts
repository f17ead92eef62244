import { DEFAULT_PLACEMENT } from '@kiln/domain';
import { pooledBound } from './engine/pooled-bound.ts';
import { simulate } from './engine/simulate.ts';
import { KilnPolicy } from './protocol/bridge.ts';
import { metricsOf } from './report/metrics.ts';
import { makeTrace } from './trace/make-trace.ts';
import { SCENARIOS } from './trace/scenarios.ts';
const [names='half,busy,storms', seeds='1', overrides='{}'] = process.argv.slice(2);
const settings = { ...DEFAULT_PLACEMENT, ...JSON.parse(overrides) };
for (const name of names.split(',')) for (const seed of seeds.split(',').map(Number)) {
  const sc = SCENARIOS.find((s)=>s.name===name); if(!sc) throw new Error(name);
  const trace = makeTrace(sc, seed);
  const b = metricsOf(pooledBound(trace), trace.measureFrom);
  const t0 = performance.now();
  const m = metricsOf(simulate(trace, new KilnPolicy(settings), {seed}), trace.measureFrom);
  const ms = performance.now()-t0;
  console.log(name.padEnd(9), seed, 'n', m.builds, 'ratio', (m.meanFinish/b.meanFinish).toFixed(3), 'p95', (m.p95Finish/b.p95Finish).toFixed(3), 'warm', m.warmShare.toFixed(3), b.warmShare.toFixed(3), 'mean', m.meanFinish.toFixed(0), b.meanFinish.toFixed(0), 'wait', m.meanWait.toFixed(0), b.meanWait.toFixed(0), 'longest', (m.longestWait/60).toFixed(1), (b.longestWait/60).toFixed(1), 'unfair', m.unfairness.toFixed(2), b.unfairness.toFixed(2), (ms/1000).toFixed(1)+'s');
}
