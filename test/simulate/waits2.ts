import { DEFAULT_PLACEMENT } from '@kiln/domain';
import { simulate } from './engine/simulate.ts';
import { KilnPolicy } from './protocol/bridge.ts';
import { makeTrace } from './trace/make-trace.ts';
import { SCENARIOS } from './trace/scenarios.ts';
const [name='half', seed='1', overrides='{}', id] = process.argv.slice(2);
const sc = SCENARIOS.find((s)=>s.name===name)!;
const trace = makeTrace(sc, Number(seed));
const log=new Map<string,string[]>();
(globalThis as any).dbg=(id:string,host:string,start:number,now:number,run:number,price:number,runs:any,free:number,cost:number,w:number)=>{ const l=log.get(id)??[]; l.push(`t ${(now/1000).toFixed(0)} host ${host} wait ${((start-now)/1000).toFixed(0)} price ${price.toFixed(2)} free hosts ${free} cost ${(cost/1000).toFixed(0)} cold ${(runs.cold/1000).toFixed(0)} window ${w}`); log.set(id,l);};
const out = simulate(trace, new KilnPolicy({...DEFAULT_PLACEMENT, ...JSON.parse(overrides)}), {seed:Number(seed)}).filter(o=>o.build.submitted>=trace.measureFrom);
const l=out.sort((a,b)=>(b.startedAt-b.build.submitted)-(a.startedAt-a.build.submitted)).slice(0,4);
for(const o of l){console.log(o.build.build,o.build.repo,'submitted',o.build.submitted.toFixed(0),'wait',(o.startedAt-o.build.submitted).toFixed(0),o.cache); const x=log.get(o.build.build)??[]; console.log(x.filter((_,i)=>i%Math.ceil(x.length/10)===0).join('\n'));}
