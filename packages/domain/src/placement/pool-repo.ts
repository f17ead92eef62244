import type { Isolation } from '../isolation/isolation-domain.ts';
import { domainOfKey } from '../warmth/cache-owner.ts';
import { Demand } from './demand.ts';
import { type ExpectedRuns, expectedRuns, type PoolEstimate, type RepoEstimate } from './estimates.ts';
import type { Cache, PoolHost, Running } from './pool-host.ts';
import { expectedRest, GUESSED_SPREAD, KNOWN_SPREAD } from './residual.ts';

/** A repo in the pool's state: what is known of its builds, where its caches are, and what of it waits and runs. */
export class PoolRepo {
  readonly name: string;
  estimate: RepoEstimate = {};
  readonly demand = new Demand();
  /** Also on hosts that take no builds at present. */
  readonly holders = new Map<PoolHost, Cache>();
  readonly running = new Set<Running>();
  /** Hosts among the holders that take builds, and their slots. */
  openHolders = 0;
  openHolderSlots = 0;
  /** Slots that its waiting builds would take. */
  queued = 0;
  #runs: ExpectedRuns;
  readonly #domains: Readonly<Record<Isolation, string>>;

  constructor(name: string, pool: PoolEstimate) {
    this.name = name;
    this.#domains = {
      pool: domainOfKey(name, 'pool'),
      team: domainOfKey(name, 'team'),
      repo: domainOfKey(name, 'repo'),
    };
    this.#runs = expectedRuns(this.estimate, pool);
  }

  /** Key of the isolation domain whose builders keep its caches. */
  domain(isolation: Isolation): string {
    return this.#domains[isolation];
  }

  get runs(): ExpectedRuns {
    return this.#runs;
  }

  refresh(pool: PoolEstimate): void {
    this.#runs = expectedRuns(this.estimate, pool);
  }

  /** Whether no build of it has ever ended. */
  get strange(): boolean {
    const { cold, stale, warm } = this.estimate;
    return !(cold || stale || warm);
  }

  /** Copies that are of use, at least 1 so that it can divide. */
  get copies(): number {
    return Math.max(1, this.openHolders);
  }

  /** Spread of a run at `warmth` around what is expected of it. */
  spreadAt(warmth: number): number {
    const { cold, stale, warm } = this.estimate;
    const known = warmth >= 0.75 ? warm : warmth >= 0.25 ? stale : cold;
    return known ? KNOWN_SPREAD : GUESSED_SPREAD;
  }

  /** Expected cold run, ms. Where none has ended yet, one that is under way shows how long they are. */
  coldRun(now: number): number {
    let { cold } = this.#runs;
    if (this.estimate.cold) return cold;
    for (const { warmth, startedAt, expectedMs, spread } of this.running) {
      if (warmth >= 0.25) continue;
      const elapsed = now - startedAt;
      cold = Math.max(cold, elapsed + expectedRest(expectedMs, elapsed, spread));
    }
    return cold;
  }

  /** The most warmth that any open host has for a build that needs `version`. */
  bestWarmth(version: string | undefined): number {
    let best = 0;
    for (const [host, cache] of this.holders) {
      if (host.open) best = Math.max(best, warmthFor(cache, version));
      if (best === 1) break;
    }
    return best;
  }
}

/** A cache of another version of the dependencies is worth no more than this. */
export const STALE_WARMTH = 0.5;

export function warmthFor(cache: Pick<Cache, 'warmth' | 'version'>, version: string | undefined): number {
  if (version === undefined || cache.version === undefined || version === cache.version) return cache.warmth;
  return Math.min(STALE_WARMTH, cache.warmth);
}
