import type { FinishedEvent, Policy, PolicyEvent, QueuedEvent, SeedOrder } from '../protocol/events.ts';
import type { CacheState, HostChange, HostSpec, Trace, TraceBuild } from '../trace/trace.ts';
import { EventQueue } from './event-queue.ts';
import { type Running, WorldHost } from './world-host.ts';

/** The attempt of a build that finished. Times in seconds. */
export interface BuildOutcome {
  readonly build: TraceBuild;
  readonly host: string;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly cache: CacheState;
  readonly attempts: number;
}

/** An assignment that a real pool would refuse. */
export class IllegalAssignment extends Error {
  readonly code = 'illegal_assignment';
}

type Coming =
  | { readonly type: 'submit'; readonly build: TraceBuild }
  | { readonly type: 'change'; readonly change: HostChange }
  | { readonly type: 'finish'; readonly host: WorldHost; readonly running: Running }
  | {
      readonly type: 'seeded';
      readonly order: SeedOrder;
      readonly copy: ReturnType<WorldHost['copyOf']>;
      readonly host: WorldHost | undefined;
    }
  | { readonly type: 'wake' };

interface Waiting {
  readonly build: TraceBuild;
  readonly attempt: number;
}

export interface SimulationOptions {
  readonly seed?: number;
  /** Whether queued builds name their `dep`. Default: true. */
  readonly depKnown?: boolean;
  /** How full disks evict. Default: `lru`. `worth` needs a policy that knows what caches save. */
  readonly eviction?: 'lru' | 'worth' | undefined;
  /** Called for each event sent to the policy, and before each decision. */
  readonly watch?: (event: PolicyEvent | { readonly type: 'decide'; readonly t: number }) => void;
}

/**
 * Plays a trace against a policy on a virtual clock, until every build has finished.
 * @throws IllegalAssignment
 */
export function simulate(trace: Trace, policy: Policy, options: SimulationOptions = {}): BuildOutcome[] {
  return new Simulation(trace, policy, options).run();
}

class Simulation {
  readonly #trace: Trace;
  readonly #policy: Policy;
  readonly #options: SimulationOptions;
  readonly #coming = new EventQueue<Coming>();
  readonly #hosts = new Map<string, WorldHost>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #outcomes: BuildOutcome[] = [];
  #nextWake = Number.POSITIVE_INFINITY;

  constructor(trace: Trace, policy: Policy, options: SimulationOptions) {
    this.#trace = trace;
    this.#policy = policy;
    this.#options = options;
  }

  run(): BuildOutcome[] {
    const { hosts, classes, builds, changes } = this.#trace;
    for (const spec of hosts) this.#hosts.set(spec.host, this.#newHost(spec));
    const { seed = 1, depKnown = true } = this.#options;
    this.#tell({ type: 'init', t: 0, hosts, classes, seed, dep_known: depKnown });
    for (const change of changes) this.#coming.add(change.t, { type: 'change', change });
    for (const build of builds) this.#coming.add(build.submitted, { type: 'submit', build });
    for (let at = this.#coming.nextAt; at !== undefined; at = this.#coming.nextAt) {
      while (this.#coming.nextAt === at) this.#happen(this.#coming.take() as Coming, at);
      this.#decide(at);
      if (this.#outcomes.length === builds.length) break;
    }
    if (this.#outcomes.length < builds.length) {
      throw new IllegalAssignment(`${builds.length - this.#outcomes.length} builds were never placed`);
    }
    return this.#outcomes;
  }

  #newHost(spec: HostSpec): WorldHost {
    const isByWorth = this.#options.eviction === 'worth' && this.#policy.savesPerHour !== undefined;
    return new WorldHost(spec, isByWorth ? (repo) => this.#policy.savesPerHour?.(repo) ?? 0 : undefined);
  }

  #tell(event: PolicyEvent): void {
    this.#options.watch?.(event);
    this.#policy.handle(event);
  }

  #happen(coming: Coming, t: number): void {
    switch (coming.type) {
      case 'submit':
        this.#queue(coming.build, 1, t);
        return;
      case 'finish':
        this.#finish(coming.host, coming.running, t);
        return;
      case 'seeded':
        this.#seeded(coming, t);
        return;
      case 'change':
        this.#change(coming.change, t);
        return;
      case 'wake':
        this.#nextWake = Number.POSITIVE_INFINITY;
        this.#tell({ type: 'wake', t });
        return;
    }
  }

  #queue(build: TraceBuild, attempt: number, t: number): void {
    this.#waiting.set(build.build, { build, attempt });
    const dep = this.#options.depKnown === false ? {} : { dep: build.dep };
    const event: QueuedEvent = {
      type: 'build_queued',
      t,
      build: build.build,
      repo: build.repo,
      prio: build.prio,
      ...dep,
      submitted: build.submitted,
      attempt,
      ...(build.weight !== 1 && { weight: build.weight }),
      ...(build.team !== '' && { team: build.team }),
    };
    this.#tell(event);
  }

  #finish(host: WorldHost, running: Running, t: number): void {
    const { build } = running;
    // The runs of a lost host never finish.
    if (host.running.get(build.build) !== running) return;
    const evicted = host.finish(running);
    const { startedAt, cache, attempt } = running;
    this.#outcomes.push({ build, host: host.host, startedAt, finishedAt: t, cache, attempts: attempt });
    const event: FinishedEvent = {
      type: 'build_finished',
      t,
      build: build.build,
      host: host.host,
      run_s: running.runS,
      size: build.size,
      evicted,
      dep: build.dep,
    };
    this.#tell(event);
  }

  #seeded({ order: { repo, from, to }, copy, host }: Extract<Coming, { type: 'seeded' }>, t: number): void {
    const arrived = copy !== undefined && host !== undefined && this.#hosts.get(to) === host && this.#hosts.has(from);
    const evicted = arrived ? host.seed(repo, copy) : [];
    this.#tell({ type: 'seed_finished', t, repo, host: to, from, arrived, evicted });
  }

  #change(change: HostChange, t: number): void {
    const { host: name } = change;
    if (change.type === 'up') {
      const { slots, disk } = change;
      const known = this.#hosts.get(name);
      if (known) Object.assign(known, { slots, disk, draining: false });
      else this.#hosts.set(name, this.#newHost({ host: name, slots, disk }));
      this.#tell({ type: 'host_up', t, host: name, slots, disk });
      return;
    }
    const host = this.#hosts.get(name);
    if (!host) return;
    if (change.type === 'drain') {
      host.draining = true;
      this.#tell({ type: 'host_drain', t, host: name });
      return;
    }
    this.#hosts.delete(name);
    const lost = [...host.running.values()];
    host.running.clear();
    this.#tell({ type: 'host_down', t, host: name });
    for (const { build, attempt } of lost) this.#queue(build, attempt + 1, t);
  }

  #decide(t: number): void {
    this.#options.watch?.({ type: 'decide', t });
    const { assign, wake } = this.#policy.decide(t);
    for (const { build, host } of assign) this.#start(build, host, t);
    for (const order of this.#policy.seeds?.() ?? []) {
      const copy = this.#hosts.get(order.from)?.copyOf(order.repo);
      this.#coming.add(t + order.seconds, { type: 'seeded', order, copy, host: this.#hosts.get(order.to) });
    }
    if (wake !== undefined && wake > t && wake < this.#nextWake && this.#waiting.size > 0) {
      this.#nextWake = wake;
      this.#coming.add(wake, { type: 'wake' });
    }
  }

  #start(id: string, name: string, t: number): void {
    const waiting = this.#waiting.get(id);
    const host = this.#hosts.get(name);
    if (!waiting) throw new IllegalAssignment(`build ${id} is not queued`);
    if (!host) throw new IllegalAssignment(`host ${name} is not there`);
    const { build, attempt } = waiting;
    if (host.draining) throw new IllegalAssignment(`host ${name} is draining`);
    if (host.usedSlots + build.weight > host.slots) throw new IllegalAssignment(`host ${name} is full`);
    this.#waiting.delete(id);
    const cache = host.cacheFor(build);
    const runS = host.runSeconds(build, cache);
    const running: Running = { build, attempt, startedAt: t, runS, cache };
    host.start(running);
    this.#coming.add(t + runS, { type: 'finish', host, running });
    this.#tell({ type: 'build_started', t, build: id, host: name, cache });
  }
}
