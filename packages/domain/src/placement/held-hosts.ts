import type { Costs } from './costs.ts';
import { runAt } from './estimates.ts';
import { MinHeap } from './heap.ts';
import type { PendingGroup } from './pending-group.ts';
import type { PoolHost } from './pool-host.ts';
import { type PoolRepo, STALE_WARMTH, warmthFor } from './pool-repo.ts';
import type { SlotTimeline } from './slot-timeline.ts';

/** A host that has a cache for a group's builds, or will have one when a run under way has left it. Times in ms. */
export interface HeldHost {
  readonly host: PoolHost;
  readonly notBefore: number;
  readonly warmth: number;
  readonly runMs: number;
}

/** The hosts that hold a group's cache, the cheapest first. */
export class HeldHosts {
  readonly #heap = new MinHeap<HeldHost>();
  readonly #repo: PoolRepo;
  readonly #weight: number;
  readonly #costs: Costs;
  readonly #timelineOf: (host: PoolHost) => SlotTimeline;

  constructor(
    group: PendingGroup,
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
    // What it costs at least: the rest is worked out when its turn comes.
    const add = (host: PoolHost, notBefore: number, warmth: number) => {
      const runMs = runAt(repo.runs, warmth);
      this.#heap.append(notBefore - now + costs.price * runMs, { host, notBefore, warmth, runMs });
    };
    for (const [host, cache] of repo.holders) {
      const warmth = warmthFor(cache, cacheVersion);
      if (warmth > 0 && fitting.has(host)) add(host, now, warmth);
    }
    for (const running of repo.running) {
      const { host } = running;
      if (!fitting.has(host)) continue;
      const held = host.caches.get(repo);
      const leaves = warmthFor({ warmth: 1, version: running.cacheVersion }, cacheVersion);
      if (leaves > (held ? warmthFor(held, cacheVersion) : 0)) add(host, timelineOf(host).endOf(running), leaves);
    }
    this.#heap.heapify();
  }

  /** The cheapest, as far as the pass has come. Costs only rise within a pass, so the first whose cost still holds is the least. */
  get best(): HeldHost | undefined {
    for (;;) {
      const first = this.#heap.first;
      if (!first) return undefined;
      const cost = this.cost(first);
      if (!(cost > this.#heap.firstKey)) return Number.isFinite(cost) ? first : undefined;
      this.#heap.rekeyFirst(cost);
    }
  }

  /** All of them, in no order. */
  get all(): readonly HeldHost[] {
    return this.#heap.items;
  }

  /** When a build of the group would start there. */
  start({ host, notBefore, runMs }: HeldHost): number {
    const { now } = this.#costs.clock;
    const timeline = this.#timelineOf(host);
    if (notBefore <= now && timeline.gap(this.#weight, runMs)) return now;
    return timeline.start(this.#weight, notBefore);
  }

  /**
   * What a run there costs others, ms: with less than a stale cache the more, the more it is like a cold one; and as that one's, what
   * the whole cache that it leaves is worth.
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
