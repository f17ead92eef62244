import { DEFAULT_PLACEMENT } from '@kiln/domain';
import { pooledBound } from './engine/pooled-bound.ts';
import { simulate } from './engine/simulate.ts';
import { KilnPolicy } from './protocol/bridge.ts';
import { metricsOf } from './report/metrics.ts';
import { makeTrace } from './trace/make-trace.ts';
import { SCENARIOS } from './trace/scenarios.ts';
const [names='half,busy,storms', seeds='1,2,3,4,5,6', ...configs] = process.argv.slice(2);
const cases = names.split(',').flatMap(name=>seeds.split(',').map(Number).map(seed=>{ const sc=SCENARIOS.find(s=>s.name===name)!; const trace=makeTrace(sc,seed); return {name,seed,trace,b:metricsOf(pooledBound(trace),trace.measureFrom)}; }));
const gm=(v:number[])=>Math.exp(v.reduce((s,x)=>s+Math.log(x),0)/v.length);
for (const config of configs.length?configs:['{}']) {
  const line=[] as string[];
  const all: number[]=[];
  const t0=process.cpuUsage();
  for (const name of names.split(',')) {
    const r=cases.filter(c=>c.name===name).map(c=>({c,m:metricsOf(simulate(c.trace,new KilnPolicy({...DEFAULT_PLACEMENT,...JSON.parse(config)}),{seed:c.seed}),c.trace.measureFrom)}));
    const mean=gm(r.map(({c,m})=>m.meanFinish/c.b.meanFinish)); all.push(mean);
    line.push(`${name} ${mean.toFixed(3)} (${Math.max(...r.map(({c,m})=>m.meanFinish/c.b.meanFinish)).toFixed(2)}) p95 ${gm(r.map(({c,m})=>m.p95Finish/c.b.p95Finish)).toFixed(2)} warm ${gm(r.map(({m})=>m.warmShare)).toFixed(3)} wait ${gm(r.map(({m})=>m.meanWait)).toFixed(0)} long ${r.map(({c,m})=>c.b.longestWait<900?(m.longestWait/60).toFixed(0):'-').join(',')}`);
  }
  const cpu=process.cpuUsage(t0).user/1e6;
  console.log(gm(all).toFixed(3), '|', line.join(' | '), '|', config, cpu.toFixed(0)+'s');
}
