import { DecayingSum } from './decaying-sum.ts';
import { type ExpectedRuns, expectedRuns, type PoolEstimate, type RepoEstimate } from './estimates.ts';
import type { PendingGroup } from './pending-group.ts';
import { GUESSED_SPREAD, KNOWN_SPREAD } from './residual.ts';
import type { Cache, PoolHost, Running } from './pool-host.ts';

/** A repo in the pool's state: what is known of its builds, where its caches are, and what of it waits and runs. */
export class PoolRepo {
  static began = Number.NaN;
  static on = false;
  static unbias(now: number, m: number): number {
    if (Number.isNaN(PoolRepo.began)) PoolRepo.began = now;
    return PoolRepo.on ? 1 - Math.exp(-Math.max(600_000, now - PoolRepo.began) / m) : 1;
  }
  readonly name: string;
  estimate: RepoEstimate = {};
  readonly arrivals = new DecayingSum();
  /** ms that its builds waited for a cache while there was room elsewhere; paid back by the next copy. */
  readonly patience = new DecayingSum();
  waiting = 0;
  waitingSince = 0;
  readonly holders = new Map<PoolHost, Cache>();
  readonly running = new Set<Running>();
  readonly groups = new Set<PendingGroup>();
  /** Slots that its waiting builds would take. */
  queued = 0;
  #runs: ExpectedRuns | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** Expected runs as of the last `refresh`. */
  get runs(): ExpectedRuns {
    return this.#runs as ExpectedRuns;
  }

  /** Spread of a run at `warmth` around what is expected of it. */
  spreadAt(warmth: number): number {
    const { cold, stale, warm } = this.estimate;
    const known = warmth >= 0.75 ? warm : warmth >= 0.25 ? stale : cold;
    return known ? KNOWN_SPREAD : GUESSED_SPREAD;
  }

  refresh(pool: PoolEstimate): void {
    this.#runs = expectedRuns(this.estimate, pool);
  }

  /** Builds that can be expected within the horizon. */
  demand(now: number, horizonMs: number, memory: number): number {
    const m = horizonMs * memory;
    return this.arrivals.at(now, m) / memory / PoolRepo.unbias(now, m);
  }

  /** Hosts that hold a copy, at least 1 so that it can divide. */
  get copies(): number {
    return Math.max(1, this.holders.size);
  }

  get idle(): boolean {
    return this.holders.size === 0 && this.running.size === 0 && this.groups.size === 0;
  }

  /** The most warmth that any host has for a build that needs `version`. */
  bestWarmth(version: string | undefined): number {
    let best = 0;
    for (const cache of this.holders.values()) best = Math.max(best, warmthFor(cache, version));
    return best;
  }
}

/** A cache of another version of the dependencies is worth no more than this. */
const STALE_WARMTH = 0.5;

export function warmthFor(cache: Pick<Cache, 'warmth' | 'version'>, version: string | undefined): number {
  if (version === undefined || cache.version === undefined || version === cache.version) return cache.warmth;
  return Math.min(STALE_WARMTH, cache.warmth);
}
