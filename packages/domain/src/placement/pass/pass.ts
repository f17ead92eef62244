import type { PlacementDecision } from '../model/decision.ts';
import type { PendingBuild } from '../model/model.ts';
import type { HostClass } from '../pool/host-class.ts';
import type { PendingGroup } from '../pool/pending-group.ts';
import type { PoolHost } from '../pool/pool-host.ts';
import type { PoolRepo } from '../pool/pool-repo.ts';
import type { PoolState } from '../pool/pool-state.ts';
import type { Waiting } from '../pool/waiting-list.ts';
import type { Choice } from './choice.ts';
import { ColdWindow } from './cold-window.ts';
import { Costs } from './costs.ts';
import { DueOrder, type Standing } from './due-order.ts';
import { MinHeap } from './heap.ts';
import { HeldHosts } from './held-hosts.ts';
import { SlotTimeline } from './slot-timeline.ts';

/** A build that gets a host's slots now. */
export interface Assignment {
  readonly build: string;
  readonly host: string;
  /** The decision with its reasons, if they were asked for. */
  readonly decision?: PlacementDecision;
}

/** Explains a choice at this point of the pass. The choice is undefined if it can't be predicted when there will be room. */
export type Explain = (
  pass: Pass,
  group: PendingGroup,
  build: PendingBuild,
  choice: Choice | undefined,
) => PlacementDecision;

interface Turn {
  readonly group: PendingGroup;
  readonly builds: readonly PendingBuild[];
  readonly standing: Standing;
  next: number;
}

/**
 * One pass over the waiting builds, in order of their due times. Each build takes the host where its cost is least: at once if that host is
 * free, else by reserving the host's next slots for the rest of the pass. A pass that is still current can be extended by new arrivals.
 */
export class Pass {
  readonly now: number;
  readonly pool: PoolState;
  readonly costs: Costs;
  /** Whether a build waits although a host that fits is free. */
  waitsBesideRoom = false;
  readonly #order: DueOrder;
  readonly #explain: Explain | undefined;
  readonly #timelines = new Map<PoolHost, SlotTimeline>();
  readonly #held = new Map<PoolRepo, Map<string, HeldHosts>>();
  readonly #windows = new Map<HostClass, ColdWindow>();
  readonly #free: Set<PoolHost>;
  /** How many free hosts have room for builds of a class, of those that fitted when it was counted. */
  readonly #room = new Map<HostClass, { readonly fitting: ReadonlySet<PoolHost>; count: number }>();
  readonly #unconfirmed = new Map<string, { readonly host: string; readonly repo: PoolRepo }>();
  /** What waiting builds wait for. Choosing again would find those slots taken by the build's own reservation. */
  readonly #awaited = new Map<string, Choice>();
  #assignments: Assignment[] = [];

  /** `explain`: attached to each assignment. */
  constructor(pool: PoolState, now: number, explain?: Explain) {
    this.pool = pool;
    this.now = now;
    this.#order = new DueOrder(pool, now);
    this.costs = new Costs(pool, now, this.#order.drainMs);
    this.#explain = explain;
    this.#free = new Set(pool.hosts.free);
  }

  /** Whether every assignment has been confirmed. */
  get confirmed(): boolean {
    return this.#unconfirmed.size === 0;
  }

  /** Records that an assignment was carried out. Returns whether this pass had decided it. */
  confirm(build: string, host: string): boolean {
    const assigned = this.#unconfirmed.get(build);
    if (assigned?.host !== host) return false;
    this.#unconfirmed.delete(build);
    // Later builds may wait for the cache that this run will leave.
    this.#held.delete(assigned.repo);
    return true;
  }

  takeAssignments(): readonly Assignment[] {
    const taken = this.#assignments;
    this.#assignments = [];
    return taken;
  }

  run(): void {
    if (this.#free.size === 0) return;
    const turns = new MinHeap<Turn>();
    for (const group of this.pool.waiting.groups) {
      const { builds } = group;
      const standing = this.#order.standing(group);
      turns.append(this.#order.due(standing, builds[0] as PendingBuild), { group, builds, standing, next: 0 });
    }
    turns.heapify();
    while (turns.size > 0 && this.#free.size > 0) {
      const turn = turns.first as Turn;
      const build = turn.builds[turn.next] as PendingBuild;
      const due = this.#order.due(turn.standing, build);
      if (due > turns.firstKey) {
        // Its team was given slots in the meantime, so others may come first now.
        turns.rekeyFirst(due);
        continue;
      }
      this.#decide(turn.group, build);
      const next = turn.builds[++turn.next];
      if (next) turns.rekeyFirst(this.#order.due(turn.standing, next));
      else turns.pop();
    }
  }

  /** Decides for builds that arrived after the pass, as if they had been last in its order. */
  extend(arrived: Iterable<Waiting>): void {
    for (const { build, group } of arrived) {
      if (this.#free.size === 0) return;
      // With more of its builds waiting, another copy of the repo's cache is worth more.
      this.#held.delete(group.repo);
      this.#decide(group, build);
    }
  }

  /** Returns what the pass chose for a waiting build, or would have chosen if it had reached it. */
  chosenFor(group: PendingGroup, build: PendingBuild): Choice | undefined {
    return this.#awaited.get(build.id) ?? this.choose(group, build);
  }

  /** Returns where the build goes or what it waits for; undefined if it can't be predicted when there will be room. */
  choose(group: PendingGroup, build: PendingBuild): Choice | undefined {
    const { now, costs } = this;
    const hosts = this.heldHosts(group);
    const held = hosts.best;
    let best: Choice | undefined;
    if (held) {
      const startAt = hosts.start(held);
      const cost = hosts.cost(held) + costs.impatience(build.createdAt, startAt);
      const { host, warmth, runMs, seeding } = held;
      best = { host, startAt, warmth, runMs, cost, seeding };
    }
    const cold = this.#bestCold(group, best?.cost ?? Number.POSITIVE_INFINITY);
    return cold ? { ...cold, startAt: now, warmth: 0 } : best;
  }

  heldHosts(group: PendingGroup): HeldHosts {
    const { repo, hosts, sight } = group;
    let bySight = this.#held.get(repo);
    if (!bySight) {
      bySight = new Map();
      this.#held.set(repo, bySight);
    }
    let held = bySight.get(sight);
    if (!held) {
      held = new HeldHosts(group, this.pool.hosts, this.fitting(hosts), this.costs, (host) => this.timeline(host));
      bySight.set(sight, held);
    }
    return held;
  }

  /** Returns the free hosts that are weighed for a cold run of builds of this class. */
  coldHosts(hosts: HostClass): readonly PoolHost[] {
    let window = this.#windows.get(hosts);
    if (!window) {
      const score = (host: PoolHost) => {
        const free = this.timeline(host).freeNow;
        return free < hosts.weight ? Number.POSITIVE_INFINITY : this.costs.coldScore(host, free, hosts.trust);
      };
      const fitting = this.fitting(hosts);
      const free = [...this.#free].filter((host) => fitting.has(host));
      window = new ColdWindow(free, score, this.pool.settings.coldWindow);
      this.#windows.set(hosts, window);
    }
    return window.hosts();
  }

  /** Returns how many hosts have room now for builds of this class. */
  withRoom(hosts: HostClass): number {
    const fitting = this.fitting(hosts);
    let room = this.#room.get(hosts);
    // Hosts may have changed since the pass, which a decision that is explained later takes into account.
    if (room?.fitting !== fitting) {
      room = { fitting, count: 0 };
      for (const host of this.#free) if (fitting.has(host) && this.timeline(host).freeNow >= hosts.weight) room.count++;
      this.#room.set(hosts, room);
    }
    return room.count;
  }

  /** Returns the cost of a cold run there, ms; `worth`: of another copy (`Costs.spread`). */
  coldCost({ repo }: PendingGroup, host: PoolHost, runMs: number, worth: number): number {
    const extras = this.costs.coldExtras(host, this.timeline(host).freeNow, repo, runMs);
    return this.costs.price * runMs + extras - worth;
  }

  /** Returns the expected cold run, ms. */
  coldRun(repo: PoolRepo): number {
    return repo.coldRun(this.now, this.pool.hosts.runsOf(repo));
  }

  fitting(hosts: HostClass): ReadonlySet<PoolHost> {
    return hosts.fitting(this.pool.hosts);
  }

  timeline(host: PoolHost): SlotTimeline {
    let timeline = this.#timelines.get(host);
    if (!timeline) {
      timeline = new SlotTimeline(host, this.now);
      this.#timelines.set(host, timeline);
    }
    return timeline;
  }

  /** Returns the cheapest free host without the cache, if one costs less than `limit`. */
  #bestCold(group: PendingGroup, limit: number): Pick<Choice, 'host' | 'runMs' | 'cost'> | undefined {
    const { repo, weight } = group;
    const runMs = this.coldRun(repo);
    const worth = this.heldHosts(group).worth({ warmth: 0, runMs });
    if (this.costs.price * runMs - worth >= limit) return undefined;
    let best: PoolHost | undefined;
    let least = limit;
    for (const host of this.coldHosts(group.hosts)) {
      if (host.caches.has(repo) || this.timeline(host).freeNow < weight) continue;
      const cost = this.coldCost(group, host, runMs, worth);
      if (cost >= least) continue;
      least = cost;
      best = host;
    }
    return best && { host: best, runMs, cost: least };
  }

  #decide(group: PendingGroup, build: PendingBuild): void {
    const choice = this.choose(group, build);
    if (!choice) return;
    const { host, startAt, runMs } = choice;
    const assigned = startAt <= this.now;
    if (assigned) this.#assign(group, build, choice);
    else {
      this.waitsBesideRoom = true;
      this.#awaited.set(build.id, choice);
    }
    const timeline = this.timeline(host);
    const free = timeline.freeNow;
    if (assigned && free < group.weight) timeline.takeGap(group.weight, runMs);
    else timeline.take(group.weight, startAt, runMs);
    const left = timeline.freeNow;
    for (const [{ weight }, room] of this.#room)
      if (free >= weight && left < weight && room.fitting.has(host)) room.count--;
    if (left === 0 && !timeline.hasGap) this.#free.delete(host);
    for (const window of this.#windows.values()) window.changed(host);
  }

  #assign(group: PendingGroup, build: PendingBuild, choice: Choice): void {
    const host = choice.host.view.name;
    const decision = this.#explain ? { decision: this.#explain(this, group, build, choice) } : {};
    this.#assignments.push({ build: build.id, host, ...decision });
    this.#unconfirmed.set(build.id, { host, repo: group.repo });
    this.#order.given(group.team, choice.runMs * group.weight);
  }
}
