import { runAt } from '../estimates/estimates.ts';
import { STALE_WARMTH, warmthFor } from '../model/warmth-for.ts';
import type { HostTable } from '../pool/host-table.ts';
import type { PendingGroup } from '../pool/pending-group.ts';
import type { PoolHost, Seeding } from '../pool/pool-host.ts';
import type { PoolRepo } from '../pool/pool-repo.ts';
import type { Costs } from './costs.ts';
import { MinHeap } from './heap.ts';
import type { SlotTimeline } from './slot-timeline.ts';

/** A host that has a cache for a group's builds, or will have one when a run or a seed under way ends there. Times in ms. */
export interface HeldHost {
  readonly host: PoolHost;
  readonly notBefore: number;
  readonly warmth: number;
  readonly runMs: number;
  /** The seed that brings the cache, if it isn't there yet. */
  readonly seeding?: Seeding;
}

/** The hosts that hold a group's cache, cheapest first. */
export class HeldHosts {
  readonly #heap = new MinHeap<HeldHost>();
  readonly #repo: PoolRepo;
  readonly #weight: number;
  readonly #costs: Costs;
  readonly #timelineOf: (host: PoolHost) => SlotTimeline;
  /** Worth of another full copy for each ms that the run which makes it is longer than a warm one. */
  readonly #worth: number;

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
    // Where every host fits, as in most pools, it needn't be looked up for each.
    const allFit = fitting.size === hosts.all.size;
    const found: HeldHost[] = [];
    let copySlots = 1;
    for (const [host, cache] of hosts.holders(repo)) {
      const warmth = warmthFor(cache, cacheVersion);
      if (warmth <= 0 || !(allFit || fitting.has(host))) continue;
      found.push({ host, notBefore: now, warmth, runMs: runAt(repo.runs, warmth) });
      copySlots += host.view.slots * fullness(warmth);
    }
    let coming: Set<PoolHost> | undefined;
    for (const running of hosts.runsOf(repo)) {
      const { host } = running;
      if (!(allFit || fitting.has(host))) continue;
      const held = host.caches.get(repo);
      const has = held ? warmthFor(held, cacheVersion) : 0;
      const warmth = warmthFor({ warmth: 1, version: running.cacheVersion }, cacheVersion);
      if (warmth <= has) continue;
      found.push({ host, notBefore: timelineOf(host).endOf(running), warmth, runMs: runAt(repo.runs, warmth) });
      if (coming?.has(host)) continue;
      coming ??= new Set();
      coming.add(host);
      copySlots += host.view.slots * (fullness(warmth) - fullness(has));
    }
    for (const [host, seeding] of hosts.seedsOf(repo)) {
      if (!(allFit || fitting.has(host))) continue;
      const held = host.caches.get(repo);
      const has = held ? warmthFor(held, cacheVersion) : 0;
      const warmth = warmthFor(seeding, cacheVersion);
      if (warmth <= has) continue;
      const runMs = runAt(repo.runs, warmth);
      found.push({ host, notBefore: timelineOf(host).endOf(seeding), warmth, runMs, seeding });
      if (!coming?.has(host)) copySlots += host.view.slots * (fullness(warmth) - fullness(has));
    }
    this.#worth = costs.spread(repo, 1, copySlots);
    // A lower bound of the cost; the rest is computed when the host reaches the top.
    for (const one of found) {
      const { notBefore, runMs } = one;
      this.#heap.append(notBefore - now + costs.price * runMs - this.worth(one), one);
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
   * cold run's extras.
   */
  extras({ host, warmth, runMs }: HeldHost): number {
    if (warmth >= STALE_WARMTH) return 0;
    const free = Math.max(1, this.#timelineOf(host).freeNow);
    return (1 - warmth / STALE_WARMTH) * this.#costs.coldExtras(host, free, this.#repo, runMs);
  }

  /** Returns what it is worth to later builds that a run makes the copy there a full one, ms. */
  worth({ warmth, runMs }: Pick<HeldHost, 'warmth' | 'runMs'>): number {
    return warmth >= 1 ? 0 : this.#worth * (runMs - this.#repo.runs.warm);
  }

  cost(held: HeldHost): number {
    return this.costFrom(held, this.start(held));
  }

  /** Returns the cost of a run there that starts at `start`. */
  costFrom(held: HeldHost, start: number): number {
    const waitMs = start - this.#costs.clock.now;
    return waitMs + this.#costs.price * held.runMs + this.extras(held) - this.worth(held);
  }
}

/** Returns how much of a full copy a cache of this warmth is, as far as it is better than a stale one. */
function fullness(warmth: number): number {
  return Math.max(0, (warmth - STALE_WARMTH) / (1 - STALE_WARMTH));
}
