import { DEFAULT_PLACEMENT } from '@kiln/domain';
import { simulate } from './engine/simulate.ts';
import { KilnPolicy } from './protocol/bridge.ts';
import { makeTrace } from './trace/make-trace.ts';
import { SCENARIOS } from './trace/scenarios.ts';
const [name='half', seed='1', overrides='{}'] = process.argv.slice(2);
const sc = SCENARIOS.find((s)=>s.name===name)!;
const trace = makeTrace(sc, Number(seed));
const first=new Map<string,any>(); const n=new Map<string,number>(); const hostsSeen=new Map<string,Set<string>>();
(globalThis as any).dbg=(id:string,host:string,start:number,now:number,run:number,price:number,runs:any)=>{ if(!first.has(id)) first.set(id,{host,pred:(start-now)/1000,now:now/1000,run:run/1000,price,cold:runs.cold/1000,warm:runs.warm/1000}); n.set(id,(n.get(id)??0)+1); (hostsSeen.get(id)??hostsSeen.set(id,new Set()).get(id)!).add(host);};
const out = simulate(trace, new KilnPolicy({...DEFAULT_PLACEMENT, ...JSON.parse(overrides)}), {seed:Number(seed)}).filter(o=>o.build.submitted>=trace.measureFrom);
const waited=out.filter(o=>first.has(o.build.build));
const s=(f:(o:any)=>number,l=waited)=>l.reduce((a,o)=>a+f(o),0)/l.length;
console.log('builds',out.length,'decided to wait',waited.length,'wait of those',s(o=>o.startedAt-o.build.submitted).toFixed(0),'predicted',s(o=>first.get(o.build.build).pred).toFixed(0),'before first decision',s(o=>first.get(o.build.build).now-o.build.submitted).toFixed(0),'ended cold',waited.filter(o=>o.cache==='cold').length,'other host',waited.filter(o=>o.host!==first.get(o.build.build).host).length);
const never=out.filter(o=>!first.has(o.build.build)); console.log('never decided to wait',never.length,'wait',s(o=>o.startedAt-o.build.submitted,never).toFixed(0));
for(const [lo,hi] of [[0,60],[60,300],[300,900],[900,1e9]]) {const l=waited.filter(o=>{const p=first.get(o.build.build).pred;return p>=lo&&p<hi}); console.log('pred',lo,hi,'n',l.length,'pred',s(o=>first.get(o.build.build).pred,l).toFixed(0),'actual',s(o=>o.startedAt-first.get(o.build.build).now,l).toFixed(0));}
for(const o of waited.sort((a,b)=>(b.startedAt-b.build.submitted)-(a.startedAt-a.build.submitted)).slice(0,15)){const f=first.get(o.build.build);console.log(o.build.repo.padEnd(9),'wait',(o.startedAt-o.build.submitted).toFixed(0),'pred',f.pred.toFixed(0),'on',f.host,'->',o.host,o.cache,'run',(o.finishedAt-o.startedAt).toFixed(0),'warm',f.warm.toFixed(0),'cold',f.cold.toFixed(0),'true',o.build.run.cold.toFixed(0),'n',n.get(o.build.build),[...hostsSeen.get(o.build.build)!].join());}
