import type { CacheState, Trace, TraceBuild } from '../trace/trace.ts';
import { EventQueue } from './event-queue.ts';
import type { BuildOutcome } from './simulate.ts';

interface PooledRun {
  readonly build: TraceBuild;
  readonly host: string;
  readonly startedAt: number;
  readonly cache: CacheState;
  readonly attempt: number;
}

type Coming =
  | { readonly type: 'submit'; readonly build: TraceBuild; readonly attempt: number }
  | { readonly type: 'change'; readonly index: number }
  | { readonly type: 'finish'; readonly run: PooledRun };

/**
 * Plays the bound that hardly any placement can beat: every host uses one unlimited cache of the whole pool, and builds are served in order of
 * arrival. A build is cold only if its repo never finished before, and stale only if it is the first of a new dependency set.
 */
export function pooledBound(trace: Trace): BuildOutcome[] {
  const coming = new EventQueue<Coming>();
  const hosts = new Map(trace.hosts.map(({ host, slots }) => [host, { slots, used: 0, open: true }]));
  const running = new Set<PooledRun>();
  const caches = new Map<string, number>();
  const queue: { build: TraceBuild; attempt: number }[] = [];
  let head = 0;
  const outcomes: BuildOutcome[] = [];

  trace.changes.forEach((change, index) => {
    coming.add(change.t, { type: 'change', index });
  });
  for (const build of trace.builds) coming.add(build.submitted, { type: 'submit', build, attempt: 1 });

  // A lost build is queued again at its old place.
  const enqueue = (one: { build: TraceBuild; attempt: number }) => {
    let at = queue.length;
    while (at > head && (queue[at - 1]?.build.submitted ?? 0) > one.build.submitted) at--;
    queue.splice(at, 0, one);
  };
  const startOn = (build: TraceBuild): string | undefined => {
    for (const [name, { slots, used, open }] of hosts) if (open && slots - used >= build.weight) return name;
    return undefined;
  };
  const startNext = (t: number): boolean => {
    const next = queue[head];
    const host = next && startOn(next.build);
    if (!next || host === undefined) return false;
    head++;
    const { build, attempt } = next;
    const held = caches.get(build.repo);
    const cache = held === undefined ? 'cold' : held === build.dep ? 'warm' : 'stale';
    const run: PooledRun = { build, host, startedAt: t, cache, attempt };
    const at = hosts.get(host);
    if (at) at.used += build.weight;
    running.add(run);
    coming.add(t + build.run[cache], { type: 'finish', run });
    return true;
  };
  const finish = (run: PooledRun, t: number) => {
    if (!running.delete(run)) return;
    const { build, host, startedAt, cache, attempt } = run;
    const at = hosts.get(host);
    if (at) at.used -= build.weight;
    caches.set(build.repo, build.dep);
    outcomes.push({ build, host, startedAt, finishedAt: t, cache, attempts: attempt });
  };
  const change = (index: number, t: number) => {
    const it = trace.changes[index];
    if (!it) return;
    const host = hosts.get(it.host);
    if (it.type === 'up') hosts.set(it.host, { slots: it.slots, used: host?.used ?? 0, open: true });
    else if (it.type === 'drain' && host) host.open = false;
    else if (it.type === 'down') {
      hosts.delete(it.host);
      for (const run of running) {
        if (run.host !== it.host) continue;
        running.delete(run);
        coming.add(t, { type: 'submit', build: run.build, attempt: run.attempt + 1 });
      }
    }
  };

  for (let at = coming.nextAt; at !== undefined; at = coming.nextAt) {
    while (coming.nextAt === at) {
      const next = coming.take();
      if (next?.type === 'submit') enqueue(next);
      else if (next?.type === 'finish') finish(next.run, at);
      else if (next?.type === 'change') change(next.index, at);
    }
    while (startNext(at));
  }
  return outcomes;
}
