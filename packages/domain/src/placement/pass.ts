import { runAt } from './estimates.ts';
import { ColdWindow } from './cold-window.ts';
import { MinHeap } from './heap.ts';
import type { HostClass } from './host-class.ts';
import type { PendingGroup } from './pending-group.ts';
import type { PlacementPool } from './pool.ts';
import type { PoolHost } from './pool-host.ts';
import { type PoolRepo, warmthFor } from './pool-repo.ts';
import { SlotTimeline } from './slot-timeline.ts';
import type { PendingBuild } from './words.ts';

/** A build gets a host's slots now. Times in ms. */
export interface Assignment {
  readonly build: string;
  readonly host: string;
  readonly warmth: number;
  readonly runMs: number;
}

/** A host that a group's builds may go to, now or when it has room. */
interface Candidate {
  readonly host: PoolHost;
  /** When the warmth is there: at once, or when a run under way will have left it. */
  readonly notBefore: number;
  readonly warmth: number;
  readonly runMs: number;
  readonly age: number;
}

interface Turn {
  readonly group: PendingGroup;
  readonly builds: readonly PendingBuild[];
  next: number;
}

/**
 * One pass over what waits, in order of due dates: each build takes the host where its cost is least; if that one is free, now, else
 * by reserving the host's next slot for the rest of the pass. A pass that nothing has outdated can go on with builds that came later.
 */
export class Pass {
  readonly now: number;
  readonly #pool: PlacementPool;
  /** What a ms of slot time costs, where waiting costs 1. */
  readonly #price: number;
  readonly #impatience: number;
  readonly #timelines = new Map<PoolHost, SlotTimeline>();
  readonly #candidates = new Map<PendingGroup, MinHeap<Candidate>>();
  readonly #windows = new Map<HostClass, ColdWindow>();
  readonly #free: Set<PoolHost>;
  readonly #unconfirmed = new Map<string, string>();
  #assignments: Assignment[] = [];
  waitsBesideRoom = false;

  constructor(pool: PlacementPool, now: number) {
    this.#pool = pool;
    this.now = now;
    this.#free = new Set(pool.freeHosts);
    const { queuedSlots, freeSlots, openSlots, settings } = pool;
    const room = (freeSlots - queuedSlots * settings.roomQueued) / Math.max(1, openSlots);
    this.#impatience = settings.impatience * Math.min(1, Math.max(0, room / settings.room));
    const lacking = Math.max(0, queuedSlots - settings.freeWeight * freeSlots);
    this.#price = 1 + settings.maxSlotPremium * (settings.satPow === 0 ? 1 : pool.saturation ** settings.satPow) * Math.min(1, lacking / Math.max(1, openSlots)) + settings.utilPremium * Math.max(0, (pool.utilization - settings.utilFrom) / (1 - settings.utilFrom));
  }

  get confirmed(): boolean {
    return this.#unconfirmed.size === 0;
  }

  /** Whether the attempt is one that this pass decided on. */
  confirm(build: string, host: string): boolean {
    if (this.#unconfirmed.get(build) !== host) return false;
    return this.#unconfirmed.delete(build);
  }

  takeAssignments(): readonly Assignment[] {
    const taken = this.#assignments;
    this.#assignments = [];
    return taken;
  }

  run(groups: Iterable<PendingGroup>): void {
    if (this.#free.size === 0) return;
    const order = new MinHeap<Turn>();
    for (const group of groups) {
      const [first] = group.builds;
      if (first) order.append(this.#due(group, first), { group, builds: group.builds, next: 0 });
    }
    order.heapify();
    while (order.size > 0 && this.#free.size > 0) {
      const turn = order.first as Turn;
      this.#decide(turn.group, turn.builds[turn.next] as PendingBuild);
      const next = turn.builds[++turn.next];
      if (next) order.rekeyFirst(this.#due(turn.group, next));
      else order.pop();
    }
  }

  /** Decides for builds that came after the pass, as if their turn had come last. */
  extend(arrived: readonly { readonly build: PendingBuild; readonly group: PendingGroup }[]): void {
    for (const { build, group } of arrived) if (this.#free.size > 0) this.#decide(group, build);
  }

  #due(group: PendingGroup, build: PendingBuild): number {
    const { settings, horizonMs: _ } = this.#pool;
    const { repo, cacheVersion, priority } = group;
    const warmth = repo.bestWarmth(cacheVersion);
    const run = runAt(repo.runs, warmth);
    if (warmth > 0) return build.createdAt + settings.classPenaltyMs[priority] + Math.min(settings.dueCapWarm, settings.dueRuns * run);
    if (this.now - build.createdAt > settings.oldMs) return build.createdAt - settings.oldFirst;
    return build.createdAt + settings.classPenaltyMs[priority] + Math.min(settings.dueCapMs, settings.dueRuns * run);
  }

  #decide(group: PendingGroup, build: PendingBuild): void {
    const { now } = this;
    const { weight } = group;
    const { settings } = this.#pool;
    const held = this.#bestHeld(group);
    const heldStart = held ? this.#timeline(held.host).start(weight, held.notBefore) : Number.POSITIVE_INFINITY;
    const late = Math.max(0, heldStart - Math.max(now, build.createdAt + this.#pool.settings.patientMs));
    const heldCost = held ? this.#heldCost(held, weight) + (settings.strange > 0 && !group.repo.estimate.cold && !group.repo.estimate.warm ? settings.strange : this.#impatience) * late : Number.POSITIVE_INFINITY;
    const cold = this.#bestCold(group, heldCost);
    if (cold) return this.#assign(build, group, cold, 0, group.repo.runs.cold);
    if (!held) return;
    if (heldStart <= now) return this.#assign(build, group, held.host, held.warmth, held.runMs);
    this.#timeline(held.host).take(weight, heldStart, held.runMs);
    this.#changed(held.host);
    this.waitsBesideRoom = true;
  }

  #assign(build: PendingBuild, group: PendingGroup, host: PoolHost, warmth: number, runMs: number): void {
    this.#timeline(host).take(group.weight, this.now, runMs);
    this.#changed(host);
    this.#unconfirmed.set(build.id, host.view.name);
    this.#assignments.push({ build: build.id, host: host.view.name, warmth, runMs });
  }

  #changed(host: PoolHost): void {
    if (this.#timeline(host).freeNow === 0) this.#free.delete(host);
    for (const window of this.#windows.values()) window.changed(host);
  }

  /** The cheapest host that holds a cache, or will. Costs only rise within a pass, so the first that is still true is the least. */
  #bestHeld(group: PendingGroup): Candidate | undefined {
    let heap = this.#candidates.get(group);
    if (!heap) {
      heap = this.#heldCandidates(group);
      this.#candidates.set(group, heap);
    }
    for (;;) {
      const first = heap.first;
      if (!first) return undefined;
      const cost = this.#heldCost(first, group.weight);
      if (cost <= heap.firstKey + 1) return cost === Number.POSITIVE_INFINITY ? undefined : first;
      heap.rekeyFirst(cost);
    }
  }

  #heldCost({ host, notBefore, runMs, age }: Candidate, weight: number): number {
    const { settings, horizonMs } = this.#pool;
    const timeline = this.#timeline(host);
    const wait = timeline.start(weight, notBefore) - this.now;
    const load = settings.warmCrowding + settings.waitInflation > 0 ? host.warmLoad(this.now, horizonMs, settings.memory) : 0;
    if (settings.externWarm > 0) host.warmLoad(this.now, horizonMs, settings.memory);
    const ext = settings.externWarm * host.rate * runMs * Math.min(settings.externCap, runMs / 4) / Math.max(1, timeline.freeNow);
    const crowd = ext + (settings.warmCrowding > 0 ? (settings.warmCrowding * load * runMs) / Math.max(1, timeline.freeNow) : 0);
    return wait * (1 + (settings.waitInflation * load) / host.view.slots) + this.#price * runMs + crowd + settings.tie * age + (settings.tieLoad === 0 ? 0 : settings.tieLoad * host.warmLoad(this.now, horizonMs, settings.memory));
  }

  #heldCandidates(group: PendingGroup): MinHeap<Candidate> {
    const { repo, cacheVersion, weight } = group;
    const fitting = this.#pool.fitting(group.hosts);
    const heap = new MinHeap<Candidate>();
    const add = (host: PoolHost, notBefore: number, warmth: number, age: number) => {
      const candidate = { host, notBefore, warmth, runMs: runAt(repo.runs, warmth), age };
      heap.append(this.#heldCost(candidate, weight), candidate);
    };
    for (const [host, cache] of repo.holders) {
      const warmth = warmthFor(cache, cacheVersion);
      if (warmth > 0 && fitting.has(host)) add(host, this.now, warmth, Math.min(1, (this.now - cache.lastUsedAt) / this.#pool.horizonMs));
    }
    for (const running of repo.running) {
      const { host } = running;
      if (!fitting.has(host)) continue;
      const held = host.caches.get(repo);
      const leaves = warmthFor({ warmth: 1, version: running.cacheVersion }, cacheVersion);
      if (leaves <= (held ? warmthFor(held, cacheVersion) : 0)) continue;
      const end = this.now + Math.max(1, this.#timeline(host).restOf(running, this.now));
      add(host, end, leaves, 0);
    }
    heap.heapify();
    return heap;
  }

  /** The cheapest free host without the cache, if one costs less than `limit`. */
  #bestCold(group: PendingGroup, limit: number): PoolHost | undefined {
    const { repo, weight } = group;
    const { settings, horizonMs, estimate } = this.#pool;
    const { warm } = repo.runs;
    const cold = this.#coldRun(repo);
    const bonus = Math.max(
      this.#spreadBonus(group, cold - warm),
      Math.min(1, (settings.patience * this.#pool.patience(repo, this.now)) / Math.max(1, cold - warm)) * (cold - warm) * settings.patienceMax,
    );
    const base = this.#price * cold - bonus;
    if (base >= limit) return undefined;
    let window = this.#windows.get(group.hosts);
    if (!window) {
      window = this.#openWindow(group.hosts);
      this.#windows.set(group.hosts, window);
    }
    const bytes = repo.estimate.bytes ?? estimate.bytes;
    let best: PoolHost | undefined;
    let least = limit;
    for (const host of window.hosts()) {
      if (repo.holders.has(host)) continue;
      const free = this.#timeline(host).freeNow;
      if (free < weight) continue;
      const wanted = host.wanted >= free ? settings.wantedSlotMs : 0;
      const load = host.warmLoad(this.now, horizonMs, settings.memory);
      const crowding = (settings.crowding * load * cold) / free + (settings.quad * load * cold * cold) / estimate.warm / free + settings.extern * host.rate * cold * Math.min(settings.externCap, cold / 4) / free;
      const lost = (repo.holders.size > 0 ? settings.furtherEviction : 1) * settings.evictionWeight * host.evictionLoss(bytes, repo, this.now, horizonMs, settings.memory, settings.copiesExp);
      const cost = base + wanted + crowding + lost;
      if (cost < least) {
        least = cost;
        best = host;
      }
    }
    return best;
  }

  /** A cold run that is under way shows how long the repo's are, where none has ended yet. */
  #coldRun(repo: PoolRepo): number {
    let { cold } = repo.runs;
    if (repo.estimate.cold || this.#pool.settings.raise === 0) return cold;
    for (const running of repo.running) {
      if (running.warmth >= 0.25) continue;
      cold = Math.max(cold, this.now - running.startedAt + this.#timeline(running.host).restOf(running, this.now));
    }
    return cold;
  }

  #spreadBonus({ repo }: PendingGroup, saving: number): number {
    const { horizonMs, settings } = this.#pool;
    let have = 1;
    for (const host of repo.holders.keys()) have += host.view.slots;
    const need = (repo.demand(this.now, horizonMs, settings.memory) / horizonMs) * repo.runs.warm + settings.queuedWeight * repo.queued;
    return settings.spreadBonus * Math.min(settings.spreadMax, need / have) * saving;
  }

  #openWindow(hosts: HostClass): ColdWindow {
    const { settings, estimate, horizonMs } = this.#pool;
    const fitting = this.#pool.fitting(hosts);
    const score = (host: PoolHost) => {
      const free = this.#timeline(host).freeNow;
      if (free < hosts.weight) return Number.POSITIVE_INFINITY;
      const crowding = (settings.crowding * host.warmLoad(this.now, horizonMs, settings.memory) * estimate.cold) / free + settings.extern * host.rate * estimate.cold * Math.min(settings.externCap, estimate.cold / 4) / free;
      const lost = host.evictionLoss(estimate.bytes, undefined, this.now, horizonMs, settings.memory, settings.copiesExp);
      return crowding + lost + (host.wanted >= free ? settings.wantedSlotMs : 0);
    };
    return new ColdWindow([...this.#free].filter((host) => fitting.has(host)), score, settings.coldWindow);
  }

  #timeline(host: PoolHost): SlotTimeline {
    let timeline = this.#timelines.get(host);
    if (!timeline) {
      timeline = new SlotTimeline(host, this.now);
      this.#timelines.set(host, timeline);
    }
    return timeline;
  }
}
