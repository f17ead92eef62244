import type { PoolRepo } from './pool-repo.ts';
import type { HostView } from './words.ts';

/** One repo's cache on one host. */
export interface Cache {
  readonly repo: PoolRepo;
  warmth: number;
  bytes: number;
  lastUsedAt: number;
  version: string | undefined;
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

/** A host in the pool's state: what runs there and what it has cached. */
export class PoolHost {
  view: HostView;
  /** Order in which hosts joined; ties between hosts are broken by it, so that decisions don't depend on names. */
  readonly order: number;
  usedSlots = 0;
  cachedBytes = 0;
  /** Slots that waiting builds would take whose caches are here. */
  wanted = 0;
  readonly running = new Map<string, Running>();
  /** Least recently used first: what a full disk gives up first. */
  readonly caches = new Map<PoolRepo, Cache>();
  #warmLoad = 0;
  rate = 0;
  #warmLoadAt = Number.NEGATIVE_INFINITY;

  constructor(view: HostView, order: number) {
    this.view = view;
    this.order = order;
  }

  get freeSlots(): number {
    return this.view.slots - this.usedSlots;
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
  warmLoad(now: number, horizonMs: number, memory: number): number {
    if (now - this.#warmLoadAt < 30_000) return this.#warmLoad;
    let load = 0;
    let rate = 0;
    for (const { repo } of this.caches.values()) {
      const one = repo.demand(now, horizonMs, memory) / horizonMs / repo.copies;
      load += one * repo.runs.warm;
      rate += one;
    }
    this.#warmLoad = load;
    this.rate = rate;
    this.#warmLoadAt = now;
    return load;
  }

  /**
   * What the pool would lose, in ms of future runs, by the caches that must go for `bytes` more: how much longer a cold run of each
   * is, by how likely one comes within the horizon, less where there are other copies.
   */
  evictionLoss(bytes: number, except: PoolRepo | undefined, now: number, horizonMs: number, memory: number, exp: number): number {
    const { cacheBudgetBytes } = this.view;
    if (cacheBudgetBytes === undefined) return 0;
    let excess = this.cachedBytes + bytes - cacheBudgetBytes;
    if (excess <= 0) return 0;
    let loss = 0;
    for (const cache of this.caches.values()) {
      if (cache.repo === except) continue;
      const { repo } = cache;
      const { cold, warm } = repo.runs;
      loss += ((cold - warm) * (1 - Math.exp(-repo.demand(now, horizonMs, memory)))) / repo.copies ** exp;
      excess -= cache.bytes;
      if (excess <= 0) break;
    }
    return loss;
  }
}
