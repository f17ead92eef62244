import { DEFAULT_PLACEMENT } from '@kiln/domain';
import { pooledBound } from './engine/pooled-bound.ts';
import { simulate } from './engine/simulate.ts';
import { KilnPolicy } from './protocol/bridge.ts';
import { makeTrace } from './trace/make-trace.ts';
import { SCENARIOS } from './trace/scenarios.ts';
const [name='half', seeds='1,2,3,4', overrides='{}'] = process.argv.slice(2);
const sc = SCENARIOS.find((s)=>s.name===name)!;
for (const seed of seeds.split(',').map(Number)) {
const trace = makeTrace(sc, seed);
const bound = pooledBound(trace).filter(o=>o.build.submitted>=trace.measureFrom);
const p = new KilnPolicy({...DEFAULT_PLACEMENT, ...JSON.parse(overrides)});
const cats = {first:[0,0], lost:[0,0], copy:[0,0], staleFirst:[0,0], staleAgain:[0,0]} as Record<string,number[]>;
const seen = new Set<string>(); const deps=new Map<string,number>();
const holders = new Map<string,Set<string>>();
const builds = new Map(trace.builds.map(b=>[b.build,b]));
let copies=0,nc=0;
const out = simulate(trace, p, {seed, watch:(e)=>{
  if (e.type==='build_started'){ const b=builds.get(e.build)!; if(b.submitted<trace.measureFrom) {if(e.cache==='cold')seen.add(b.repo);return;}
    const ex=b.run[e.cache]-b.run.warm; let c='';
    if(e.cache==='cold'){ c = !seen.has(b.repo)?'first':(holders.get(b.repo)?.size??0)>0?'copy':'lost'; seen.add(b.repo);}
    else if(e.cache==='stale'){ const k=b.repo+':'+b.dep; c=seen.has(k)?'staleAgain':'staleFirst'; seen.add(k);} 
    if(c){cats[c][0]++;cats[c][1]+=ex;}
  }
  if(e.type==='build_finished'){const b=builds.get(e.build)!; (holders.get(b.repo)??holders.set(b.repo,new Set()).get(b.repo)!).add(e.host); for(const r of e.evicted) holders.get(r)?.delete(e.host);} 
  if(e.type==='decide'){ }
}}).filter(o=>o.build.submitted>=trace.measureFrom);
const cap=(trace.builds.at(-1)!.submitted-trace.measureFrom)*sc.hosts*sc.slots;
const work=out.reduce((s,o)=>s+o.finishedAt-o.startedAt,0)/cap, bw=bound.reduce((s,o)=>s+o.finishedAt-o.startedAt,0)/cap;
console.log(name, seed,'util',work.toFixed(3),'bound',bw.toFixed(3), Object.entries(cats).map(([k,[n,s]])=>`${k} ${n} ${(s/cap).toFixed(3)}`).join(' | '), 'horizon', (p.pool.horizonMs/60000).toFixed(0)+'min', 'copies', [...p.pool.repos.values()].reduce((s,r)=>s+r.holders.size,0), 'of', p.pool.repos.size, 'held', [...p.pool.repos.values()].filter(r=>r.holders.size>0).length);
}
