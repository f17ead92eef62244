import type { Trust } from '../access/principal.ts';
import type { DemandClock } from './demand.ts';
import type { PoolHost } from './pool-host.ts';
import type { PoolRepo } from './pool-repo.ts';
import type { PoolState } from './pool-state.ts';

/** What waiting, running and being in others' way costs in one pass. The unit is a ms by which a build finishes later. */
export class Costs {
  readonly clock: DemandClock;
  /** Of a ms of slot time. */
  readonly price: number;
  readonly #pool: PoolState;
  readonly #impatience: number;

  constructor(pool: PoolState, now: number) {
    this.#pool = pool;
    this.clock = pool.demandClock(now);
    const { settings, hosts, waiting, saturation } = pool;
    const slots = Math.max(1, hosts.openSlots);
    const lacking = Math.min(1, Math.max(0, waiting.queuedSlots - 2 * hosts.freeSlots) / slots);
    this.price = 1 + settings.slotPremium * saturation * lacking;
    const room = (hosts.freeSlots - waiting.queuedSlots) / slots / settings.roomShare;
    this.#impatience = settings.impatience * Math.min(1, Math.max(0, room));
  }

  /** What it costs on top that a build of this age would wait until `start`. */
  impatience(repo: PoolRepo, createdAt: number, start: number): number {
    const { patientMs, strangerImpatience } = this.#pool.settings;
    const late = start - Math.max(this.clock.now, createdAt + patientMs);
    return late <= 0 ? 0 : late * (repo.strange ? strangerImpatience : this.#impatience);
  }

  /** What a run without any of the cache costs others on a host with `free` slots. */
  coldExtras(host: PoolHost, free: number, repo: PoolRepo, runMs: number): number {
    return this.wanted(host, free, repo) + this.crowding(host, free, runMs) + this.eviction(host, repo);
  }

  /** Waiting builds with caches on the host want its free slots; the repo's own are no others. */
  wanted(host: PoolHost, free: number, repo?: PoolRepo): number {
    const own = repo && host.caches.has(repo) ? repo.queued : 0;
    return host.wanted - own >= free ? this.#pool.settings.wantedSlotMs : 0;
  }

  /** Warm work that the host can expect finds its slots taken for longer. */
  crowding(host: PoolHost, free: number, runMs: number): number {
    return (this.#pool.settings.crowding * host.warmLoad(this.clock) * runMs) / free;
  }

  /** Other repos' caches that must go. */
  eviction(host: PoolHost, repo: PoolRepo): number {
    const bytes = repo.estimate.bytes ?? this.#pool.estimate.bytes;
    const lost = host.evictionLoss(bytes, repo.domain(host.isolation), repo, this.clock);
    return repo.openHolders > 0 ? this.#pool.settings.furtherEviction * lost : lost;
  }

  /** What one more copy is worth beyond this build, ms. */
  spread(repo: PoolRepo, savingMs: number): number {
    const { spreadShare, spreadCap } = this.#pool.settings;
    const need = (repo.demand.expected(this.clock) / this.clock.horizonMs) * repo.runs.warm + repo.queued;
    return Math.min(spreadCap, (spreadShare * need) / (1 + repo.openHolderSlots)) * savingMs;
  }

  /** How a free host looks for any cold run of the class. */
  coldScore(host: PoolHost, free: number, trust: Trust): number {
    const { cold, bytes } = this.#pool.estimate;
    // Of a class it isn't known whose its builds are, but where that makes no difference.
    const domain = host.isolation === 'pool' ? trust : undefined;
    const eviction = host.evictionLoss(bytes, domain, undefined, this.clock);
    return this.wanted(host, free) + this.crowding(host, free, cold) + eviction;
  }
}
