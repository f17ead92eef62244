import type { Isolation } from '../../isolation/isolation-domain.ts';
import type { DemandClock } from '../estimates/demand.ts';
import type { RunUnderWay } from '../estimates/residual.ts';
import type { SeedUnderWay } from '../model/decision.ts';
import type { HostView, Seedable } from '../model/model.ts';
import type { PoolRepo } from './pool-repo.ts';

/** One repo's cache on one host. */
export interface Cache {
  readonly repo: PoolRepo;
  readonly warmth: number;
  readonly bytes: number;
  lastUsedAt: number;
  readonly version: string | undefined;
  readonly seedable: Seedable | undefined;
}

/** A copy of a repo's caches on its way to a host. */
export interface Seeding extends RunUnderWay {
  readonly repo: PoolRepo;
  readonly host: PoolHost;
  /** The host that it comes from. */
  readonly from: string;
  readonly warmth: number;
  readonly bytes: number;
  readonly version: string | undefined;
}

/** An attempt under way. */
export interface Running extends RunUnderWay {
  readonly build: string;
  readonly repo: PoolRepo;
  readonly host: PoolHost;
  readonly team: string;
  readonly weight: number;
  readonly warmth: number;
  readonly cacheVersion: string | undefined;
}

/** How long the warm load of a host is kept before it is recomputed, ms. */
const LOAD_KEPT_MS = 30_000;

/** A host in the pool: what runs there and what it has cached. */
export class PoolHost {
  view: HostView;
  usedSlots = 0;
  /** Bytes of caches by isolation domain; domains without caches are absent. */
  readonly cachedBytes = new Map<string, number>();
  /** Slots that waiting builds with a cache here would take. */
  wanted = 0;
  readonly running = new Map<string, Running>();
  /** Copies on their way here. */
  readonly seeds = new Map<PoolRepo, Seeding>();
  /** Copies that have arrived and that no build has used to its end. */
  readonly seeded = new Map<PoolRepo, SeedUnderWay>();
  /** Least recently used first, which is the order of eviction. */
  readonly caches = new Map<PoolRepo, Cache>();
  /** Bytes of all of them. */
  #allCached = 0;
  #warmLoad = 0;
  #warmLoadAt = Number.NEGATIVE_INFINITY;

  constructor(view: HostView) {
    this.view = view;
  }

  get isolation(): Isolation {
    return this.view.isolation ?? 'pool';
  }

  /** Replaces the view; recounts the caches by domain if its isolation has changed. */
  see(view: HostView): void {
    const isRegrouped = (view.isolation ?? 'pool') !== this.isolation;
    this.view = view;
    if (!isRegrouped) return;
    this.cachedBytes.clear();
    this.#allCached = 0;
    for (const { repo, bytes } of this.caches.values()) this.countCached(repo, bytes);
  }

  countCached(repo: PoolRepo, bytes: number): void {
    const domain = repo.domain(this.isolation);
    this.#allCached += bytes;
    const count = (this.cachedBytes.get(domain) ?? 0) + bytes;
    if (count === 0) this.cachedBytes.delete(domain);
    else this.cachedBytes.set(domain, count);
  }

  get freeSlots(): number {
    return Math.max(0, this.view.slots - this.usedSlots);
  }

  /** Whether any build may be placed here. */
  get open(): boolean {
    return !this.view.cordoned && !this.view.draining && !this.view.lowDisk;
  }

  /** Invalidates what is derived from the caches. */
  cachesChanged(): void {
    this.#warmLoadAt = Number.NEGATIVE_INFINITY;
  }

  /** Returns how many slots the expected warm builds of the repos cached here keep busy. A repo's demand is divided among its copies. */
  warmLoad(clock: DemandClock): number {
    if (clock.now - this.#warmLoadAt < LOAD_KEPT_MS) return this.#warmLoad;
    let work = 0;
    for (const { repo } of this.caches.values()) work += (repo.demand.expected(clock) * repo.runs.warm) / repo.copies;
    this.#warmLoad = work / clock.horizonMs;
    this.#warmLoadAt = clock.now;
    return this.#warmLoad;
  }

  /**
   * Returns what the pool would lose, in ms of future runs, if the host made room for `bytes` more: for each cache evicted, how much longer
   * a cold run is than a warm one, times the probability that one comes within the horizon, over the square of the number of copies: another
   * copy serves the build as well, and each is the less missed the more there are. A domain with its own
   * part of the budget evicts only its own caches; one without (or unknown: undefined) may evict any.
   */
  evictionLoss(bytes: number, domain: string | undefined, except: PoolRepo | undefined, clock: DemandClock): number {
    const { cacheBudgetBytes, cacheBudgets } = this.view;
    const part = domain === undefined ? undefined : cacheBudgets?.[domain];
    const budget = part ?? cacheBudgetBytes;
    if (budget === undefined) return 0;
    const { isolation } = this;
    // A domain without a part of its own needs no look at whose the caches are, which saves most of the time.
    const own = part === undefined ? undefined : domain;
    const held = own === undefined ? this.#allCached : (this.cachedBytes.get(own) ?? 0);
    let excess = held + this.#coming(own, bytes) + bytes - budget;
    if (excess <= 0) return 0;
    let loss = 0;
    for (const cache of this.caches.values()) {
      const { repo } = cache;
      if (repo === except || (own !== undefined && repo.domain(isolation) !== own)) continue;
      const { cold, warm } = repo.runs;
      loss += (cache.warmth * (cold - warm) * (1 - Math.exp(-repo.demand.expected(clock)))) / repo.copies ** 2;
      excess -= cache.bytes;
      if (excess <= 0) break;
    }
    return loss;
  }

  /** Returns the bytes of the caches that runs and seeds under way will add, of all domains or of one; `unknown` for one whose size isn't known. */
  #coming(own: string | undefined, unknown: number): number {
    let sum = 0;
    for (const { repo } of this.running.values()) {
      if (this.caches.has(repo) || (own !== undefined && repo.domain(this.isolation) !== own)) continue;
      sum += repo.estimate.bytes ?? unknown;
    }
    for (const { repo, bytes } of this.seeds.values()) {
      if (this.caches.has(repo) || (own !== undefined && repo.domain(this.isolation) !== own)) continue;
      sum += bytes;
    }
    return sum;
  }
}
