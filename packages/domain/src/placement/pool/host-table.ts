import { finerIsolation, type Isolation } from '../../isolation/isolation-domain.ts';
import type { HeldCache, HostView } from '../model/model.ts';
import { selectiveness } from '../model/requirements.ts';
import { warmthFor } from '../model/warmth-for.ts';
import { type Cache, PoolHost, type Running, type Seeding } from './pool-host.ts';
import type { PoolRepo } from './pool-repo.ts';

const NO_HOLDERS: ReadonlyMap<PoolHost, Cache> = new Map();
const NO_RUNS: ReadonlySet<Running> = new Set();
const NO_SEEDS: ReadonlyMap<PoolHost, Seeding> = new Map();

/** The pool's hosts, their caches and what they run, with the indices and sums over them that placement reads again and again. */
export class HostTable {
  readonly #hosts = new Map<string, PoolHost>();
  readonly #holders = new Map<PoolRepo, Map<PoolHost, Cache>>();
  readonly #runs = new Map<string, Running>();
  readonly #runsOfRepo = new Map<PoolRepo, Set<Running>>();
  readonly #seedsOfRepo = new Map<PoolRepo, Map<PoolHost, Seeding>>();
  /** Open hosts that have a slot free. */
  readonly free = new Set<PoolHost>();
  /** The finest isolation by which any host so far has refused builds; it never becomes coarser again. */
  tellsApart: Isolation = 'pool';
  /** Grows when a host joins, changes or leaves. */
  revision = 0;
  openSlots = 0;
  freeSlots = 0;

  get all(): ReadonlyMap<string, PoolHost> {
    return this.#hosts;
  }

  get(name: string): PoolHost | undefined {
    return this.#hosts.get(name);
  }

  /** Hosts that hold the repo's cache, also those that take no builds at present. */
  holders(repo: PoolRepo): ReadonlyMap<PoolHost, Cache> {
    return this.#holders.get(repo) ?? NO_HOLDERS;
  }

  /** The repo's attempts under way. */
  runsOf(repo: PoolRepo): ReadonlySet<Running> {
    return this.#runsOfRepo.get(repo) ?? NO_RUNS;
  }

  /** The repos of which any host holds a cache. */
  heldRepos(): Iterable<PoolRepo> {
    return this.#holders.keys();
  }

  /** Copies of the repo's caches on their way to hosts. */
  seedsOf(repo: PoolRepo): ReadonlyMap<PoolHost, Seeding> {
    return this.#seedsOfRepo.get(repo) ?? NO_SEEDS;
  }

  running(build: string): Running | undefined {
    return this.#runs.get(build);
  }

  /** The most warmth that any open host has for a build that needs `version`. */
  bestWarmth(repo: PoolRepo, version: string | undefined): number {
    let best = 0;
    for (const [host, cache] of this.holders(repo)) {
      if (host.open) best = Math.max(best, warmthFor(cache, version));
      if (best === 1) break;
    }
    return best;
  }

  up(view: HostView): void {
    const host = this.#hosts.get(view.name) ?? new PoolHost(view);
    if (this.#hosts.has(view.name)) this.#uncount(host);
    host.see(view);
    this.tellsApart = finerIsolation(this.tellsApart, selectiveness(view));
    this.#hosts.set(view.name, host);
    this.#count(host);
    this.revision++;
  }

  remove(host: PoolHost): void {
    for (const running of host.running.values()) this.#unlist(running);
    for (const repo of [...host.seeds.keys()]) this.endSeed(host, repo);
    this.#uncount(host);
    this.#hosts.delete(host.view.name);
    for (const repo of host.caches.keys()) this.#dropHolder(repo, host);
    this.revision++;
  }

  /** The attempt takes its slots. */
  start(running: Running): void {
    this.#list(running);
    this.#use(running.host, running.weight);
  }

  /** The attempt gives its slots back. */
  end(running: Running): void {
    this.#unlist(running);
    this.#use(running.host, -running.weight);
  }

  /** Replaces what is known of an attempt under way. */
  replace(known: Running, running: Running): void {
    this.#unlist(known);
    this.#list(running);
  }

  startSeed(seeding: Seeding): void {
    const { repo, host } = seeding;
    host.seeds.set(repo, seeding);
    const seeds = this.#seedsOfRepo.get(repo);
    if (seeds) seeds.set(host, seeding);
    else this.#seedsOfRepo.set(repo, new Map([[host, seeding]]));
  }

  /** Returns the seed, if there was one. */
  endSeed(host: PoolHost, repo: PoolRepo): Seeding | undefined {
    const seeding = host.seeds.get(repo);
    const seeds = this.#seedsOfRepo.get(repo);
    seeds?.delete(host);
    if (seeds?.size === 0) this.#seedsOfRepo.delete(repo);
    host.seeds.delete(repo);
    return seeding;
  }

  /** The repo's waiting builds take `slots` more; fewer if negative. */
  want(repo: PoolRepo, slots: number): void {
    repo.queued += slots;
    for (const host of this.holders(repo).keys()) host.wanted += slots;
  }

  /**
   * The host holds the repo's cache; it counts as used last of all that the host holds. Sizes are kept in whole bytes: an estimate is a
   * mean, and a running sum of fractions drifts away from what a recount finds.
   */
  hold(host: PoolHost, repo: PoolRepo, { warmth, bytes: size, lastUsedAt, version, seedable }: HeldCache): void {
    const bytes = Math.round(size);
    const known = host.caches.get(repo);
    if (known) {
      host.caches.delete(repo);
      host.countCached(repo, -known.bytes);
    } else {
      host.wanted += repo.queued;
      if (host.open) countHolder(repo, host, 1);
    }
    const cache: Cache = { repo, warmth, bytes, lastUsedAt, version, seedable };
    host.caches.set(repo, cache);
    host.countCached(repo, bytes);
    const holders = this.#holders.get(repo);
    if (holders) holders.set(host, cache);
    else this.#holders.set(repo, new Map([[host, cache]]));
    host.cachesChanged();
  }

  touch(host: PoolHost, repo: PoolRepo, now: number): void {
    const cache = host.caches.get(repo);
    if (!cache) return;
    cache.lastUsedAt = now;
    host.caches.delete(repo);
    host.caches.set(repo, cache);
  }

  drop(host: PoolHost, { repo, bytes }: Cache): void {
    host.caches.delete(repo);
    host.countCached(repo, -bytes);
    host.wanted -= repo.queued;
    this.#dropHolder(repo, host);
    if (host.open) countHolder(repo, host, -1);
    host.cachesChanged();
  }

  #dropHolder(repo: PoolRepo, host: PoolHost): void {
    const holders = this.#holders.get(repo);
    holders?.delete(host);
    if (holders?.size === 0) this.#holders.delete(repo);
  }

  #list(running: Running): void {
    const { build, host, repo } = running;
    host.running.set(build, running);
    this.#runs.set(build, running);
    const runs = this.#runsOfRepo.get(repo);
    if (runs) runs.add(running);
    else this.#runsOfRepo.set(repo, new Set([running]));
  }

  #unlist(running: Running): void {
    const { build, host, repo } = running;
    host.running.delete(build);
    this.#runs.delete(build);
    const runs = this.#runsOfRepo.get(repo);
    runs?.delete(running);
    if (runs?.size === 0) this.#runsOfRepo.delete(repo);
  }

  #use(host: PoolHost, slots: number): void {
    this.#countSlots(host, -1);
    host.usedSlots += slots;
    this.#countSlots(host, 1);
  }

  #count(host: PoolHost): void {
    if (host.open) for (const repo of host.caches.keys()) countHolder(repo, host, 1);
    this.#countSlots(host, 1);
  }

  #uncount(host: PoolHost): void {
    if (host.open) for (const repo of host.caches.keys()) countHolder(repo, host, -1);
    this.#countSlots(host, -1);
  }

  #countSlots(host: PoolHost, sign: 1 | -1): void {
    if (!host.open) return;
    this.openSlots += sign * host.view.slots;
    this.freeSlots += sign * host.freeSlots;
    if (sign === 1 && host.freeSlots > 0) this.free.add(host);
    else this.free.delete(host);
  }
}

function countHolder(repo: PoolRepo, host: PoolHost, sign: 1 | -1): void {
  repo.openHolders += sign;
  repo.openHolderSlots += sign * host.view.slots;
}
