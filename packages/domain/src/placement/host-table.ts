import { finerIsolation, type Isolation } from '../isolation/isolation-domain.ts';
import { type Cache, PoolHost } from './pool-host.ts';
import type { PoolRepo } from './pool-repo.ts';
import { selectiveness } from './requirements.ts';
import type { HeldCache, HostView } from './words.ts';

/** The pool's hosts and their caches, with the sums over them that placement asks for again and again. */
export class HostTable {
  readonly #hosts = new Map<string, PoolHost>();
  /** Open hosts that have a slot free. */
  readonly free = new Set<PoolHost>();
  /** How finely any host so far has told builds apart by whose they are; never coarser again. */
  tellsApart: Isolation = 'pool';
  /** Grows when a host comes, changes or goes. */
  revision = 0;
  openSlots = 0;
  freeSlots = 0;

  get all(): ReadonlyMap<string, PoolHost> {
    return this.#hosts;
  }

  get(name: string): PoolHost | undefined {
    return this.#hosts.get(name);
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
    this.#uncount(host);
    this.#hosts.delete(host.view.name);
    for (const repo of host.caches.keys()) repo.holders.delete(host);
    this.revision++;
  }

  /** Takes slots of a host, or gives them back where `slots` is negative. */
  use(host: PoolHost, slots: number): void {
    this.#countSlots(host, -1);
    host.usedSlots += slots;
    this.#countSlots(host, 1);
  }

  /**
   * The host holds the repo's cache; it counts as used last of all that the host holds. Sizes are kept in whole bytes: an estimate is a
   * mean, and a running sum of fractions drifts away from what a recount finds.
   */
  hold(host: PoolHost, repo: PoolRepo, { warmth, bytes: size, lastUsedAt, version }: HeldCache): void {
    const bytes = Math.round(size);
    const known = host.caches.get(repo);
    if (known) {
      host.caches.delete(repo);
      host.countCached(repo, -known.bytes);
    } else {
      host.wanted += repo.queued;
      if (host.open) countHolder(repo, host, 1);
    }
    const cache: Cache = { repo, warmth, bytes, lastUsedAt, version };
    host.caches.set(repo, cache);
    host.countCached(repo, bytes);
    repo.holders.set(host, cache);
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
    repo.holders.delete(host);
    if (host.open) countHolder(repo, host, -1);
    host.cachesChanged();
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
