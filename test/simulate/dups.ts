import { DEFAULT_PLACEMENT } from '@kiln/domain';
import { simulate } from './engine/simulate.ts';
import { KilnPolicy } from './protocol/bridge.ts';
import { makeTrace } from './trace/make-trace.ts';
import { SCENARIOS } from './trace/scenarios.ts';
const [name='half', seed='1', overrides='{}'] = process.argv.slice(2);
const sc = SCENARIOS.find((s)=>s.name===name)!;
const trace = makeTrace(sc, Number(seed));
const p=new KilnPolicy({...DEFAULT_PLACEMENT, ...JSON.parse(overrides)});
const acc=new Map<string,number>(); let samples=0; let last=0;
const copies=new Map<number,number[]>();
simulate(trace,p,{seed:Number(seed),watch:(e)=>{ if(e.t<trace.measureFrom||e.t-last<600) return; last=e.t; samples++; for(const r of p.pool.repos.values()) acc.set(r.name,(acc.get(r.name)??0)+r.holders.size);
}});
const cold=new Map<string,number>();
const buckets=[[1,1],[2,2],[3,3],[4,5],[6,10],[11,20],[21,40],[41,80],[81,120],[121,160],[161,200]];
const builds=Map.groupBy(trace.builds.filter(b=>b.submitted>trace.measureFrom),b=>b.repo);
for(const [a,b] of buckets){ let c=0,n=0,load=0; for(let k=a;k<=b;k++){c+=(acc.get('repo-'+k)??0)/samples; const bs=builds.get('repo-'+k)??[]; n+=bs.length; load+=bs.reduce((s,x)=>s+x.run.warm,0)/86400;} console.log('rank',a,b,'copies',(c/(b-a+1)).toFixed(2),'builds/day each',(n/(b-a+1)).toFixed(1),'slots each',(load/(b-a+1)).toFixed(2)); }
