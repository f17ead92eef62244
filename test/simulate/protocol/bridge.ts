import {
  type AttemptOutcome,
  FIRST_SPEED,
  type HeldCache,
  type HostView,
  type PendingBuild,
  PlacementPool,
  type PlacementSettings,
  type Priority,
  type SeedConditions,
  type SeedWish,
  savingPerHour,
} from '@kiln/domain';
import type { CacheState, HostSpec, PriorityClass } from '../trace/trace.ts';
import type {
  Dep,
  FinishedEvent,
  Policy,
  PolicyDecision,
  PolicyEvent,
  QueuedEvent,
  SeededEvent,
  SeedOrder,
} from './events.ts';

const S = 1_000;
/** Bytes per unit of the protocol's `disk` and `size`, which may be fractions while the domain counts whole bytes. */
const UNIT_BYTES = 1_000_000_000;
const WARMTH: Readonly<Record<CacheState, number>> = { warm: 1, stale: 0.5, cold: 0 };
/** Weight of a start in the share of stale starts, used if builds don't name their dependency set. */
const STALE_WEIGHT = 0.1;

/** How warm a host is with only a repo's mounts. */
const SEEDED_WARMTH = 0.75;
/** How often seeds are looked for that no build waits for, and for how long one isn't repeated, ms. */
const SEED_EVERY_MS = 30 * S;
const SEED_AGAIN_MS = 600 * S;

interface Queued {
  readonly build: PendingBuild;
  readonly dep: Dep | undefined;
}

interface Started {
  readonly queued: Queued;
  readonly host: string;
  cache: CacheState | undefined;
}

/**
 * Kiln's production placement behind the policy protocol. A `disk` becomes a host's cache budget, a `size` a repo's bytes in it, and
 * `evicted` the caches missing from the next inventory. If dependency sets are hidden, a cache counts as warm as earlier starts of its repo
 * turned out to be on average.
 */
export class KilnPolicy implements Policy {
  readonly pool: PlacementPool;
  readonly #queued = new Map<string, Queued>();
  readonly #started = new Map<string, Started>();
  readonly #lostOn = new Map<string, string[]>();
  readonly #hosts = new Map<string, HostView>();
  readonly #staleShare = new Map<string, number>();
  /** What hosts held when they were lost. A host that comes back may still have it, which its first warm build shows. */
  readonly #lostCaches = new Map<string, ReadonlyMap<string, HeldCache>>();
  #priorities = new Map<number, Priority>();
  #depKnown = true;
  #now = Number.NEGATIVE_INFINITY;

  readonly #seeding: boolean;
  #ordered: SeedOrder[] = [];
  readonly #transferring = new Set<string>();
  readonly #heldBack = new Map<string, number>();
  readonly #seeded = new Set<string>();
  #seedsAt = 0;

  /** `seeding`: whether it asks for seeds. */
  constructor(settings?: PlacementSettings, { seeding = false }: { readonly seeding?: boolean } = {}) {
    this.#seeding = seeding;
    this.pool = new PlacementPool(settings);
  }

  handle(event: PolicyEvent): void {
    const now = this.#at(event.t);
    switch (event.type) {
      case 'init':
        this.#priorities = prioritiesOf(event.classes);
        this.#depKnown = event.dep_known;
        for (const host of event.hosts) this.#hostUp(host, now);
        return;
      case 'host_up':
        this.#hostUp(event, now);
        return;
      case 'host_drain': {
        const host = this.#hosts.get(event.host);
        if (host) this.pool.hostUp({ ...host, draining: true }, now);
        return;
      }
      case 'host_down':
        this.#hostDown(event.host, now);
        return;
      case 'build_queued':
        this.#buildQueued(event, now);
        return;
      case 'build_started':
        this.#buildStarted(event.build, event.host, event.cache, now);
        return;
      case 'build_finished':
        this.#buildFinished(event, now);
        return;
      case 'seed_finished':
        this.#seedFinished(event, now);
        return;
      case 'wake':
      case 'end':
        return;
    }
  }

  decide(t: number): PolicyDecision {
    const now = this.#at(t);
    let { assignments, lookAgainAt } = this.pool.decide(now);
    while (this.#seeding && this.#seedFirst(assignments, now)) ({ assignments, lookAgainAt } = this.pool.decide(now));
    for (const { build, host } of assignments) this.#start(build, host, now);
    const assign = assignments.map(({ build, host }) => ({ build, host }));
    return lookAgainAt === undefined ? { assign } : { assign, wake: lookAgainAt / S };
  }

  seeds(): readonly SeedOrder[] {
    const now = this.#now;
    if (this.#seeding && now >= this.#seedsAt) {
      this.#seedsAt = now + SEED_EVERY_MS;
      for (const wish of this.pool.seedsAhead(now, this.#conditions(), 4)) this.#order(wish, now);
    }
    return this.#ordered.splice(0);
  }

  savesPerHour(name: string): number {
    const repo = this.pool.findRepo(name);
    if (!repo) return 0;
    const clock = this.pool.demandClock(this.#now);
    const buildsPerHour = (repo.demand.expected(clock) * 3_600 * S) / clock.horizonMs / repo.copies;
    return savingPerHour({ buildsPerHour, savedMs: repo.runs.cold - repo.runs.warm });
  }

  /** Orders seeds for builds that should wait for them. Returns whether there was one. */
  #seedFirst(assignments: readonly { readonly build: string; readonly host: string }[], now: number): boolean {
    let any = false;
    for (const { build, host } of assignments) {
      const wish = this.pool.seedFor(build, host, now, this.#conditions());
      if (!wish?.sooner) continue;
      this.#order(wish, now);
      any = true;
    }
    return any;
  }

  #conditions(): SeedConditions {
    return {
      speed: FIRST_SPEED,
      isIdle: (host) => !this.#transferring.has(host),
      isHeldBack: (repo, host) => (this.#heldBack.get(`${host} ${repo}`) ?? 0) > this.#now,
    };
  }

  #order({ repo, host, from, transferMs }: SeedWish, now: number): void {
    this.#transferring.add(host).add(from.host);
    const seed = { repo, host, from: from.host, startedAt: now, expectedMs: transferMs };
    this.pool.seedStarted({ ...seed, warmth: from.warmth, bytes: from.bytes }, now);
    this.#ordered.push({ repo, from: from.host, to: host, seconds: transferMs / S });
  }

  #seedFinished({ repo, host, from, arrived, evicted }: SeededEvent, now: number): void {
    this.#transferring.delete(host);
    this.#transferring.delete(from);
    this.#heldBack.set(`${host} ${repo}`, now + SEED_AGAIN_MS);
    for (const gone of evicted) this.pool.cacheGone(host, gone, now);
    if (arrived) this.#seeded.add(`${host} ${repo}`);
    this.pool.seedEnded(repo, host, arrived, now);
  }

  /**
   * Returns the time in ms; it never goes back, whatever the lines say. It is whole, as in production: with fractions, a `wake` could come
   * back a rounding error too early, and would then be answered by the same `wake` again.
   */
  #at(t: number): number {
    this.#now = Math.max(this.#now, Math.round(t * S));
    return this.#now;
  }

  #hostUp({ host: name, slots, disk }: HostSpec, now: number): void {
    const host: HostView = {
      name,
      slots,
      platforms: [],
      labels: {},
      trust: ['trusted'],
      cordoned: false,
      draining: false,
      cacheBudgetBytes: disk * UNIT_BYTES,
    };
    this.#hosts.set(name, host);
    this.pool.hostUp(host, now);
  }

  #hostDown(name: string, now: number): void {
    this.#hosts.delete(name);
    this.#lostCaches.set(name, this.pool.cachesOf(name));
    this.pool.hostGone(name, now);
    for (const [id, { host }] of this.#started) {
      if (host !== name) continue;
      this.#started.delete(id);
      this.#lostOn.set(id, [...(this.#lostOn.get(id) ?? []), name]);
    }
  }

  #buildQueued(event: QueuedEvent, now: number): void {
    const { build: id, repo, prio, dep, submitted, weight = 1, team = '' } = event;
    const build: PendingBuild = {
      id,
      repo,
      team,
      priority: this.#priorities.get(prio) ?? 'normal',
      queuedAt: now,
      createdAt: submitted * S,
      weight,
      platforms: [],
      hostLabels: {},
      trust: 'trusted',
      lostOn: this.#lostOn.get(id) ?? [],
      cacheVersion: dep === undefined ? undefined : String(dep),
    };
    this.#started.delete(id);
    this.#queued.set(id, { build, dep });
    this.pool.buildQueued(build, now);
  }

  #start(id: string, host: string, now: number): void {
    const queued = this.#queued.get(id);
    if (!queued) return;
    const { repo, team, weight, cacheVersion } = queued.build;
    this.#queued.delete(id);
    this.#started.set(id, { queued, host, cache: undefined });
    this.pool.attemptStarted({ build: id, host, repo, team, weight, startedAt: now, cacheVersion }, now);
  }

  #buildStarted(id: string, host: string, cache: CacheState, now: number): void {
    if (!this.#started.has(id)) this.#start(id, host, now);
    const started = this.#started.get(id);
    if (!started) return;
    started.cache = cache;
    if (cache !== 'cold') this.#remember(host, started.queued.build.repo, now);
    const { repo } = started.queued.build;
    if (!this.#depKnown && cache !== 'cold') {
      const share = this.#staleShare.get(repo) ?? 0;
      this.#staleShare.set(repo, share + STALE_WEIGHT * ((cache === 'stale' ? 1 : 0) - share));
    }
    const isSeeded = cache === 'warm' && this.#seeded.has(`${host} ${repo}`);
    this.pool.warmthSeen(id, isSeeded ? SEEDED_WARMTH : WARMTH[cache]);
    if (cache === 'cold') this.pool.cacheGone(host, repo, now);
  }

  /** Restores what a host held before it was lost once a build has found its cache there. */
  #remember(host: string, repo: string, now: number): void {
    const lost = this.#lostCaches.get(host);
    if (!lost) return;
    this.#lostCaches.delete(host);
    if (lost.has(repo)) this.pool.cachesReported(host, new Map([...lost, ...this.pool.cachesOf(host)]), now);
  }

  #buildFinished(event: FinishedEvent, now: number): void {
    const { build: id, host, run_s, size, evicted, dep } = event;
    const started = this.#started.get(id);
    this.#started.delete(id);
    this.#lostOn.delete(id);
    for (const repo of evicted) this.pool.cacheGone(host, repo, now);
    const bytes = size * UNIT_BYTES;
    const outcome: AttemptOutcome = { runMs: run_s * S, keepsCache: false, bytes };
    this.pool.attemptEnded(id, outcome, now);
    const repo = started?.queued.build.repo;
    if (repo === undefined) return;
    const version = this.#depKnown && dep !== undefined ? String(dep) : undefined;
    const warmth = this.#depKnown ? 1 : 1 - (1 - WARMTH.stale) * (this.#staleShare.get(repo) ?? 0);
    this.#seeded.delete(`${host} ${repo}`);
    const seedable = this.#seeding ? { warmth: warmth * SEEDED_WARMTH, bytes } : undefined;
    this.pool.cacheReported(host, repo, { warmth, bytes, lastUsedAt: now, version, seedable });
  }
}

/** Maps classes by Kiln's own names; others by number, smallest first. */
function prioritiesOf(classes: readonly PriorityClass[]): Map<number, Priority> {
  const known = (name: string): Priority | undefined =>
    name === 'interactive' || name === 'normal' || name === 'batch' ? name : undefined;
  const others = classes.filter(({ name }) => known(name) === undefined).sort((a, b) => a.prio - b.prio);
  const rank = (one: PriorityClass): Priority =>
    others.length < 3
      ? others.indexOf(one) === 0
        ? 'normal'
        : 'batch'
      : ((['interactive', 'normal', 'batch'] as const)[Math.min(2, others.indexOf(one))] as Priority);
  return new Map(classes.map((one) => [one.prio, known(one.name) ?? rank(one)]));
}
