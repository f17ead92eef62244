import {
  decideSeed,
  isSooner,
  type SeedForecast,
  type SeedPlan,
  type SeedSource,
  type TransferSpeed,
} from '../../caches/seeding.ts';
import { cacheKey, readCacheKey } from '../../warmth/cache-owner.ts';
import type { DemandClock } from '../estimates/demand.ts';
import { runAt } from '../estimates/estimates.ts';
import type { PendingBuild } from '../model/model.ts';
import { ruleOut } from '../model/requirements.ts';
import type { PoolHost } from '../pool/pool-host.ts';
import type { PoolRepo } from '../pool/pool-repo.ts';
import type { PoolState } from '../pool/pool-state.ts';
import { overflow } from './overflow.ts';

/** What limits seeding at the moment. */
export interface SeedConditions {
  readonly speed: TransferSpeed;
  /** Whether the host takes part in no transfer, so that one may begin. */
  readonly isIdle: (host: string) => boolean;
  /** Whether this was tried too recently to try again. */
  readonly isHeldBack: (repo: string, host: string) => boolean;
}

/** Why a host is to be seeded. */
export type SeedCause =
  /** A build is about to start cold there. */
  | 'build'
  /** No host that takes builds has the cache: those that have it are drained or cordoned. */
  | 'moving';

/** A seed that is worth it. */
export interface SeedWish extends SeedPlan {
  /** `cacheKey` of the builds that will use it. */
  readonly repo: string;
  readonly host: string;
  readonly cause: SeedCause;
  /** With cause `build`: whether that build should wait for the seed. */
  readonly sooner: boolean;
}

/** The part of the pool that the planner reads. */
export interface SeedPool extends Pick<PoolState, 'hosts' | 'estimate' | 'demandClock'> {
  findRepo(name: string): PoolRepo | undefined;
}

/** How many repos and hosts are weighed in one plan: those that gain most, and those with the least load. */
const WEIGHED_REPOS = 16;
const WEIGHED_HOSTS = 24;
/** With less warmth a copy doesn't count as one. */
const COPY_WARMTH = 0.5;

/** Finds seeds that are worth their transfer, by the state of the pool. Changes nothing. */
export class SeedPlanner {
  readonly #pool: SeedPool;
  readonly #clock: DemandClock;
  readonly #conditions: SeedConditions;

  constructor(pool: SeedPool, now: number, conditions: SeedConditions) {
    this.#pool = pool;
    this.#clock = pool.demandClock(now);
    this.#conditions = conditions;
  }

  /** Returns the seed for a build that is about to start cold on the host; undefined if none is worth it. */
  forBuild({ repo: name }: PendingBuild, host: PoolHost): SeedWish | undefined {
    const repo = this.#pool.findRepo(name);
    if (!repo || !this.#mayStart(repo, host) || this.#isComing(repo, host)) return undefined;
    // The cache that the build would leave takes the same room on the disk.
    const forecast = { ...this.#forecast(repo, host), waiting: Math.max(1, repo.queued), evictionLossMs: 0 };
    return this.#weigh(repo, host, this.#sources(repo), forecast, 'build');
  }

  /**
   * Returns seeds of repos that only hosts which take no builds have, although no build waits for them yet. Each host takes part in one of
   * them at most. Those that gain most come first. Further copies of what open hosts have are made only for builds that would start cold: made
   * ahead, they evict more than they save (docs/develop/placement.md).
   */
  moving(most: number): SeedWish[] {
    const targets = this.#targets();
    if (targets.length === 0) return [];
    const taken = new Set<string>();
    const wishes: SeedWish[] = [];
    for (const { repo, builds } of this.#repos()) {
      if (wishes.length >= most) break;
      const wish = this.#move(repo, builds, targets, taken);
      if (!wish) continue;
      wishes.push(wish);
      for (const name of [wish.host, wish.from.host]) taken.add(name);
    }
    return wishes;
  }

  /** Returns the hosts from which `moving` orders seeds now, or would if no transfer kept a host busy. */
  owing(): Set<string> {
    const targets = this.#targets(true);
    const hosts = new Set<string>();
    for (const { repo, builds } of targets.length === 0 ? [] : this.#repos()) {
      const from = this.#move(repo, builds, targets, new Set())?.from;
      if (from) hosts.add(from.host);
    }
    return hosts;
  }

  /** The seed that brings a copy of the repo to the best of the targets, with a host that isn't taken. */
  #move(
    repo: PoolRepo,
    builds: number,
    targets: readonly PoolHost[],
    taken: ReadonlySet<string>,
  ): SeedWish | undefined {
    const sources = this.#sources(repo).filter(({ host }) => !taken.has(host));
    const [host, eviction] = this.#best(repo, sources, targets, taken) ?? [];
    if (!host || eviction === undefined) return undefined;
    const forecast = { ...this.#forecast(repo, host), builds, evictionLossMs: eviction };
    return this.#weigh(repo, host, sources, forecast, 'moving');
  }

  /** The repos without a copy on an open host, those that gain most by one first. */
  #repos(): { repo: PoolRepo; builds: number }[] {
    const found: { repo: PoolRepo; builds: number; gain: number }[] = [];
    for (const repo of this.#pool.hosts.heldRepos()) {
      const builds = repo.demand.expected(this.#clock) + repo.queued;
      if (builds < 0.01 || this.#pool.hosts.seedsOf(repo).size > 0 || this.#copies(repo).slots > 0) continue;
      const gain = (1 - Math.exp(-builds)) * (repo.runs.cold - repo.runs.warm);
      if (gain > 0) found.push({ repo, builds, gain });
    }
    found.sort((a, b) => b.gain - a.gain);
    return found.slice(0, WEIGHED_REPOS);
  }

  /** Slots of the open hosts that have a copy or get one, and how many of them warm builds keep busy. */
  #copies(repo: PoolRepo): { slots: number; load: number } {
    let slots = 0;
    let load = 0;
    const { hosts } = this.#pool;
    const held = [...hosts.holders(repo)].flatMap(([host, { warmth }]) => (warmth >= COPY_WARMTH ? [host] : []));
    const coming = [...hosts.runsOf(repo)].map(({ host }) => host);
    for (const host of new Set([...held, ...coming])) {
      if (!host.open) continue;
      slots += host.view.slots;
      load += host.warmLoad(this.#clock);
    }
    return { slots, load };
  }

  /** The open hosts that may take part in a transfer, least loaded first. @param withBusy also those that are being seeded */
  #targets(withBusy = false): PoolHost[] {
    const open = [...this.#pool.hosts.all.values()].filter(
      (host) => host.open && (withBusy || host.seeds.size === 0) && this.#conditions.isIdle(host.view.name),
    );
    const load = new Map(open.map((host) => [host, host.warmLoad(this.#clock) / host.view.slots]));
    return open.sort((a, b) => (load.get(a) ?? 0) - (load.get(b) ?? 0)).slice(0, WEIGHED_HOSTS);
  }

  /** The target on which the seed evicts least, and what that is. */
  #best(
    repo: PoolRepo,
    sources: readonly SeedSource[],
    targets: readonly PoolHost[],
    taken: ReadonlySet<string>,
  ): readonly [PoolHost, number] | undefined {
    let best: readonly [PoolHost, number] | undefined;
    for (const host of targets) {
      if (taken.has(host.view.name) || this.#isComing(repo, host) || !this.#mayStart(repo, host)) continue;
      if ((host.caches.get(repo)?.warmth ?? 0) >= COPY_WARMTH || !this.#fits(repo, host, sources)) continue;
      const loss = this.#evictionLoss(repo, host);
      if (!best || loss < best[1]) best = [host, loss];
      if (loss === 0) break;
    }
    return best;
  }

  /** Whether builds of the repo can run there, as far as its last build or the hosts that have its caches show. */
  #fits(repo: PoolRepo, host: PoolHost, sources: readonly SeedSource[]): boolean {
    if (repo.lastBuild) return ruleOut({ ...repo.lastBuild, lostOn: [] }, host.view) === undefined;
    const { trust } = readCacheKey(repo.name);
    return sources.some((source) => {
      const view = this.#pool.hosts.get(source.host)?.view;
      if (!view) return false;
      const { platforms, labels: hostLabels } = view;
      const needs = { repo: repo.name, weight: 1, platforms, hostLabels, trust, lostOn: [] };
      return ruleOut(needs, host.view) === undefined;
    });
  }

  #mayStart(repo: PoolRepo, host: PoolHost): boolean {
    const { name } = host.view;
    return host.open && this.#conditions.isIdle(name) && !this.#conditions.isHeldBack(repo.name, name);
  }

  /** Whether a build or a seed under way brings the cache anyway. */
  #isComing(repo: PoolRepo, host: PoolHost): boolean {
    if (host.seeds.has(repo)) return true;
    return [...this.#pool.hosts.runsOf(repo)].some((running) => running.host === host);
  }

  /** The copies on hosts that take part in no other transfer: the repo's own, and of an untrusted one that of its trusted builds. */
  #sources(repo: PoolRepo): SeedSource[] {
    const { repo: origin, team, trust } = readCacheKey(repo.name);
    const twin = trust === 'untrusted' ? this.#pool.findRepo(cacheKey({ repo: origin, team })) : undefined;
    return [repo, ...(twin ? [twin] : [])].flatMap((owner) =>
      [...this.#pool.hosts.holders(owner)].flatMap(([host, { seedable, lastUsedAt }]): SeedSource[] => {
        const { name } = host.view;
        if (!seedable || !this.#conditions.isIdle(name)) return [];
        return [{ host: name, key: owner.name, isolation: host.isolation, lastUsedAt, ...seedable }];
      }),
    );
  }

  #forecast(repo: PoolRepo, host: PoolHost): SeedForecast {
    const { slots, load } = this.#copies(repo);
    return {
      runAt: (warmth) => runAt(repo.runs, warmth),
      waiting: 0,
      builds: repo.demand.expected(this.#clock) * overflow(slots, load),
      horizonMs: this.#clock.horizonMs,
      evictionLossMs: this.#evictionLoss(repo, host),
    };
  }

  #evictionLoss(repo: PoolRepo, host: PoolHost): number {
    const bytes = repo.estimate.bytes ?? this.#pool.estimate.bytes;
    return host.evictionLoss(bytes, repo.domain(host.isolation), repo, this.#clock);
  }

  #weigh(
    repo: PoolRepo,
    { view, caches, isolation }: PoolHost,
    sources: readonly SeedSource[],
    forecast: SeedForecast,
    cause: SeedCause,
  ): SeedWish | undefined {
    const { name, slots } = view;
    const target = { host: name, key: repo.name, isolation, warmth: caches.get(repo)?.warmth ?? 0, slots };
    const { speed } = this.#conditions;
    const verdict = decideSeed(target, sources, forecast, speed);
    if (!verdict.seed) return undefined;
    const { seed: _, ...plan } = verdict;
    return { ...plan, repo: repo.name, host: name, cause, sooner: isSooner(plan, target, forecast) };
  }
}
