import type { Isolation } from '../isolation/isolation-domain.ts';
import type { DemandClock } from './demand.ts';
import type { PoolRepo } from './pool-repo.ts';
import type { HostView } from './words.ts';

/** One repo's cache on one host. */
export interface Cache {
  readonly repo: PoolRepo;
  readonly warmth: number;
  readonly bytes: number;
  lastUsedAt: number;
  readonly version: string | undefined;
}

/** An attempt under way. */
export interface Running {
  readonly build: string;
  readonly repo: PoolRepo;
  readonly host: PoolHost;
  readonly team: string;
  readonly weight: number;
  readonly startedAt: number;
  readonly warmth: number;
  readonly cacheVersion: string | undefined;
  /** How long it was expected to run when it began, ms. */
  readonly expectedMs: number;
  /** Spread around that, as sigma of a lognormal. */
  readonly spread: number;
}

/** What is derived from a host's caches and their repos' demand is worked out anew after this time, ms. */
const LOAD_KEPT_MS = 30_000;

/** A host in the pool's state: what runs there and what it has cached. */
export class PoolHost {
  view: HostView;
  usedSlots = 0;
  /** Bytes of caches by isolation domain; one that holds nothing is missing. */
  readonly cachedBytes = new Map<string, number>();
  /** Slots that waiting builds would take whose caches are here. */
  wanted = 0;
  readonly running = new Map<string, Running>();
  /** Least recently used first: what a full disk gives up first. */
  readonly caches = new Map<PoolRepo, Cache>();
  #warmLoad = 0;
  #warmLoadAt = Number.NEGATIVE_INFINITY;

  constructor(view: HostView) {
    this.view = view;
  }

  get isolation(): Isolation {
    return this.view.isolation ?? 'pool';
  }

  /** Takes in what has changed about it. */
  see(view: HostView): void {
    const isRegrouped = (view.isolation ?? 'pool') !== this.isolation;
    this.view = view;
    if (!isRegrouped) return;
    this.cachedBytes.clear();
    for (const { repo, bytes } of this.caches.values()) this.countCached(repo, bytes);
  }

  countCached(repo: PoolRepo, bytes: number): void {
    const domain = repo.domain(this.isolation);
    const count = (this.cachedBytes.get(domain) ?? 0) + bytes;
    if (count === 0) this.cachedBytes.delete(domain);
    else this.cachedBytes.set(domain, count);
  }

  get freeSlots(): number {
    return Math.max(0, this.view.slots - this.usedSlots);
  }

  /** Whether anything may be placed here at all. */
  get open(): boolean {
    return !this.view.cordoned && !this.view.draining;
  }

  /** Forgets what is derived from the caches. */
  cachesChanged(): void {
    this.#warmLoadAt = Number.NEGATIVE_INFINITY;
  }

  /** Slots that warm builds of the repos cached here can be expected to keep busy; a repo's demand is shared among its copies. */
  warmLoad(clock: DemandClock): number {
    if (clock.now - this.#warmLoadAt < LOAD_KEPT_MS) return this.#warmLoad;
    let work = 0;
    for (const { repo } of this.caches.values()) work += (repo.demand.expected(clock) * repo.runs.warm) / repo.copies;
    this.#warmLoad = work / clock.horizonMs;
    this.#warmLoadAt = clock.now;
    return this.#warmLoad;
  }

  /**
   * What the pool would lose, in ms of future runs, by the caches that must go for `bytes` more: how much longer a cold run of each is,
   * by how likely one comes within the horizon, shared among its copies. A domain with a part of the budget for itself evicts its own caches
   * only; one without (undefined: which one isn't known) will get its part from all others.
   */
  evictionLoss(bytes: number, domain: string | undefined, except: PoolRepo | undefined, clock: DemandClock): number {
    const { cacheBudgetBytes, cacheBudgets } = this.view;
    const part = domain === undefined ? undefined : cacheBudgets?.[domain];
    const budget = part ?? cacheBudgetBytes;
    if (budget === undefined) return 0;
    const { isolation } = this;
    const isOwn = (repo: PoolRepo) => part === undefined || repo.domain(isolation) === domain;
    const held = part === undefined ? this.#allCached() : (this.cachedBytes.get(domain ?? '') ?? 0);
    let excess = held + bytes - budget;
    if (excess <= 0) return 0;
    let loss = 0;
    for (const cache of this.caches.values()) {
      const { repo } = cache;
      if (repo === except || !isOwn(repo)) continue;
      const { cold, warm } = repo.runs;
      loss += (cache.warmth * (cold - warm) * (1 - Math.exp(-repo.demand.expected(clock)))) / repo.copies;
      excess -= cache.bytes;
      if (excess <= 0) break;
    }
    return loss;
  }

  #allCached(): number {
    let sum = 0;
    for (const bytes of this.cachedBytes.values()) sum += bytes;
    return sum;
  }
}
