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
    const { settings, hosts, waiting, saturation } = pool;
    const slots = Math.max(1, hosts.openSlots);
    const lacking = Math.min(1, Math.max(0, waiting.queuedSlots - 2 * hosts.freeSlots) / slots);
    this.price = 1 + settings.slotPremium * saturation * lacking;
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
    const lost = host.evictionLoss(bytes, repo.domain(host.isolation), repo, this.clock);
    return repo.openHolders > 0 ? this.#pool.settings.furtherEviction * lost : lost;
  }

  /** Returns what another copy of the cache is worth to later builds, ms. Copies that runs under way will leave count as made. */
  spread(repo: PoolRepo, savingMs: number): number {
    const { spreadShare, spreadCap } = this.#pool.settings;
    const need = (repo.demand.expected(this.clock) / this.clock.horizonMs) * repo.runs.warm + repo.queued;
    let have = 1 + repo.openHolderSlots;
    for (const { host } of this.#pool.hosts.runsOf(repo)) {
      if (host.open && !host.caches.has(repo)) have += host.view.slots;
    }
    return Math.min(spreadCap, (spreadShare * need) / have) * savingMs;
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
