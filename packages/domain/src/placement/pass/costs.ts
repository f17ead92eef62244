import type { Trust } from '../../access/principal.ts';
import type { DemandClock } from '../estimates/demand.ts';
import type { PoolHost } from '../pool/pool-host.ts';
import type { PoolRepo } from '../pool/pool-repo.ts';
import type { PoolState } from '../pool/pool-state.ts';

/** The costs that a pass compares. The unit is 1 ms by which a build finishes later. */
export class Costs {
  readonly clock: DemandClock;
  /** Cost of 1 ms of slot time. */
  readonly price: number;
  readonly #pool: PoolState;
  readonly #drainMs: number;

  /** `drainMs`: the time in which the pool could run everything that waits. */
  constructor(pool: PoolState, now: number, drainMs: number) {
    this.#pool = pool;
    this.#drainMs = drainMs;
    this.clock = pool.demandClock(now);
    const { settings, hosts, waiting } = pool;
    const slots = Math.max(1, hosts.openSlots);
    const lacking = Math.min(1, Math.max(0, waiting.queuedSlots - 2 * hosts.freeSlots) / slots);
    this.price = 1 + settings.slotPremium * lacking;
  }

  /** Returns the extra cost of letting a build of this age wait until `start`. */
  impatience(createdAt: number, start: number): number {
    const { patience, impatience } = this.#pool.settings;
    const patientUntil = createdAt + patience.ms + patience.drains * this.#drainMs;
    return impatience * Math.max(0, start - Math.max(this.clock.now, patientUntil));
  }

  /** Returns what a cold run costs others on a host with `free` slots. */
  coldExtras(host: PoolHost, free: number, repo: PoolRepo, runMs: number): number {
    return this.wanted(host, free, repo) + this.crowding(host, free, runMs) + this.eviction(host, repo);
  }

  /** Returns the cost of taking a slot that other waiting builds with caches on the host want; the repo's own builds don't count. */
  wanted(host: PoolHost, free: number, repo?: PoolRepo): number {
    const own = repo && host.caches.has(repo) ? repo.queued : 0;
    return host.wanted - own >= free ? this.#pool.settings.wantedSlotMs : 0;
  }

  /** Returns the cost to the warm builds that the host can expect: they find its slots taken for longer. */
  crowding(host: PoolHost, free: number, runMs: number): number {
    return (this.#pool.settings.crowding * host.warmLoad(this.clock) * runMs) / free;
  }

  /** Returns the cost of the other repos' caches that would be evicted. */
  eviction(host: PoolHost, repo: PoolRepo): number {
    const bytes = repo.estimate.bytes ?? this.#pool.estimate.bytes;
    return host.evictionLoss(bytes, repo.domain(host.isolation), repo, this.clock);
  }

  /**
   * Returns what another full copy of the cache is worth to later builds, ms. `savingMs`: how much longer the run that makes it is than a warm
   * one; `copySlots`: slots that have the cache or are about to get it.
   */
  spread(repo: PoolRepo, savingMs: number, copySlots: number): number {
    const { spreadShare, spreadCap } = this.#pool.settings;
    const need = (repo.demand.expected(this.clock) / this.clock.horizonMs) * repo.runs.warm + repo.queued;
    return Math.min(spreadCap, (spreadShare * need) / copySlots) * savingMs;
  }

  /** Returns how costly a cold run of any build of the class looks on a free host. */
  coldScore(host: PoolHost, free: number, trust: Trust): number {
    const { cold, bytes } = this.#pool.estimate;
    // The class doesn't say to which domain the build belongs, unless the pool is the domain.
    const domain = host.isolation === 'pool' ? trust : undefined;
    const eviction = host.evictionLoss(bytes, domain, undefined, this.clock);
    return this.wanted(host, free) + this.crowding(host, free, cold) + eviction;
  }
}
