import type { Isolation } from '../../isolation/isolation-domain.ts';
import { domainOfKey } from '../../warmth/cache-owner.ts';
import { Demand } from '../estimates/demand.ts';
import { type ExpectedRuns, expectedRuns, type PoolEstimate, type RepoEstimate } from '../estimates/estimates.ts';
import { expectedRest, GUESSED_SPREAD, KNOWN_SPREAD, type RunUnderWay } from '../estimates/residual.ts';
import type { PendingBuild } from '../model/model.ts';

/** A repo in the pool: what was learned of its builds, how many copies of its cache there are, and how many builds wait. */
export class PoolRepo {
  readonly name: string;
  estimate: RepoEstimate = {};
  readonly demand = new Demand();
  /** Open hosts that hold its cache, and their slots; kept by the host table. */
  openHolders = 0;
  openHolderSlots = 0;
  /** The build that was queued last, which shows what hosts its builds need. */
  lastBuild: PendingBuild | undefined;
  /** Slots that its waiting builds would take; kept by the host table. */
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

  /** Copies on open hosts; at least 1, because it is a divisor. */
  get copies(): number {
    return Math.max(1, this.openHolders);
  }

  /** Returns the spread of a run at `warmth` around its expected duration, as sigma of a lognormal. */
  spreadAt(warmth: number): number {
    const { cold, stale, warm } = this.estimate;
    const known = warmth >= 0.75 ? warm : warmth >= 0.25 ? stale : cold;
    return known ? KNOWN_SPREAD : GUESSED_SPREAD;
  }

  /** Returns the expected cold run, ms. Until one has ended, it is at least as long as those under way are expected to be. */
  coldRun(now: number, underWay: Iterable<RunUnderWay & { readonly warmth: number }>): number {
    let { cold } = this.#runs;
    if (this.estimate.cold) return cold;
    for (const { warmth, startedAt, expectedMs, spread } of underWay) {
      if (warmth >= 0.25) continue;
      const elapsed = now - startedAt;
      cold = Math.max(cold, elapsed + expectedRest(expectedMs, elapsed, spread));
    }
    return cold;
  }
}
