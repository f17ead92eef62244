import { runAt } from '../estimates/estimates.ts';
import { STALE_WARMTH, warmthFor } from '../model/warmth-for.ts';
import type { HostTable } from '../pool/host-table.ts';
import type { PendingGroup } from '../pool/pending-group.ts';
import type { PoolHost } from '../pool/pool-host.ts';
import type { PoolRepo } from '../pool/pool-repo.ts';
import type { Costs } from './costs.ts';
import { MinHeap } from './heap.ts';
import type { SlotTimeline } from './slot-timeline.ts';

/** A host that has a cache for a group's builds, or will have one when a run under way ends there. Times in ms. */
export interface HeldHost {
  readonly host: PoolHost;
  readonly notBefore: number;
  readonly warmth: number;
  readonly runMs: number;
}

/** The hosts that hold a group's cache, cheapest first. */
export class HeldHosts {
  readonly #heap = new MinHeap<HeldHost>();
  readonly #repo: PoolRepo;
  readonly #weight: number;
  readonly #costs: Costs;
  readonly #timelineOf: (host: PoolHost) => SlotTimeline;

  constructor(
    group: PendingGroup,
    hosts: HostTable,
    fitting: ReadonlySet<PoolHost>,
    costs: Costs,
    timelineOf: (host: PoolHost) => SlotTimeline,
  ) {
    this.#repo = group.repo;
    this.#weight = group.weight;
    this.#costs = costs;
    this.#timelineOf = timelineOf;
    const { repo, cacheVersion } = group;
    const { now } = costs.clock;
    // A lower bound of the cost; the rest is computed when the host reaches the top.
    const add = (host: PoolHost, notBefore: number, warmth: number) => {
      const runMs = runAt(repo.runs, warmth);
      this.#heap.append(notBefore - now + costs.price * runMs, { host, notBefore, warmth, runMs });
    };
    for (const [host, cache] of hosts.holders(repo)) {
      const warmth = warmthFor(cache, cacheVersion);
      if (warmth > 0 && fitting.has(host)) add(host, now, warmth);
    }
    for (const running of hosts.runsOf(repo)) {
      const { host } = running;
      if (!fitting.has(host)) continue;
      const held = host.caches.get(repo);
      const leaves = warmthFor({ warmth: 1, version: running.cacheVersion }, cacheVersion);
      if (leaves > (held ? warmthFor(held, cacheVersion) : 0)) add(host, timelineOf(host).endOf(running), leaves);
    }
    this.#heap.heapify();
  }

  /** The cheapest host at this point of the pass. Costs only rise within a pass, so the first whose key is still its cost is the cheapest. */
  get best(): HeldHost | undefined {
    for (;;) {
      const first = this.#heap.first;
      if (!first) return undefined;
      const cost = this.cost(first);
      if (!(cost > this.#heap.firstKey)) return Number.isFinite(cost) ? first : undefined;
      this.#heap.rekeyFirst(cost);
    }
  }

  /** All of them, unordered. */
  get all(): readonly HeldHost[] {
    return this.#heap.items;
  }

  /** Returns when a build of the group would start there. */
  start({ host, notBefore, runMs }: HeldHost): number {
    const { now } = this.#costs.clock;
    const timeline = this.#timelineOf(host);
    if (notBefore <= now && timeline.gap(this.#weight, runMs)) return now;
    return timeline.start(this.#weight, notBefore);
  }

  /**
   * Returns what a run there costs others, ms. With less warmth than a stale cache it is like a cold run in part, and counts that part of a
   * cold run's extras and of its worth as another copy.
   */
  extras({ host, warmth, runMs }: HeldHost): number {
    if (warmth >= STALE_WARMTH) return 0;
    const free = Math.max(1, this.#timelineOf(host).freeNow);
    const repo = this.#repo;
    const spread = this.#costs.spread(repo, runMs - repo.runs.warm);
    return (1 - warmth / STALE_WARMTH) * (this.#costs.coldExtras(host, free, repo, runMs) - spread);
  }

  cost(held: HeldHost): number {
    return this.start(held) - this.#costs.clock.now + this.#costs.price * held.runMs + this.extras(held);
  }
}
