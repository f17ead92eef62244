import { evictionOrder } from '@kiln/domain';
import type { CacheState, HostSpec, TraceBuild } from '../trace/trace.ts';

export interface Running {
  readonly build: TraceBuild;
  readonly attempt: number;
  readonly startedAt: number;
  readonly runS: number;
  readonly cache: CacheState;
}

interface HeldCache {
  readonly dep: number;
  readonly size: number;
  /** Whether only its mounts are there, as a seed brought them. */
  readonly seeded?: boolean;
}

/** A simulated host: slots, and a disk that evicts the least recently used caches when it is full, or those worth least. */
export class WorldHost {
  readonly host: string;
  slots: number;
  disk: number;
  draining = false;
  usedSlots = 0;
  readonly running = new Map<string, Running>();
  /** Least recently used first. */
  readonly #caches = new Map<string, HeldCache>();
  #usedDisk = 0;
  readonly #savesPerHour: ((repo: string) => number) | undefined;

  /** `savesPerHour`: evict by worth, what a repo's cache saves for each of its bytes. Default: least recently used first. */
  constructor({ host, slots, disk }: HostSpec, savesPerHour?: (repo: string) => number) {
    this.#savesPerHour = savesPerHour;
    this.host = host;
    this.slots = slots;
    this.disk = disk;
  }

  cacheFor({ repo, dep }: TraceBuild): CacheState {
    const held = this.#caches.get(repo);
    return held === undefined ? 'cold' : held.dep === dep ? 'warm' : 'stale';
  }

  /** How long the build would run here, s. With only a seeded cache it is half way to a stale one, as a warmth of 0.75 is. */
  runSeconds({ repo, run }: TraceBuild, cache: CacheState): number {
    return cache === 'warm' && this.#caches.get(repo)?.seeded ? (run.warm + run.stale) / 2 : run[cache];
  }

  /** What is left of the repo's cache for a copy. */
  copyOf(repo: string): { readonly dep: number; readonly size: number } | undefined {
    return this.#caches.get(repo);
  }

  /** Takes in a copy of another host's cache. Returns the repos whose caches were evicted for it. */
  seed(repo: string, { dep, size }: { readonly dep: number; readonly size: number }): string[] {
    if (this.#caches.has(repo)) return [];
    this.#put(repo, { dep, size, seeded: true });
    return this.#evict(new Set([...this.running.values()].map(({ build }) => build.repo)).add(repo));
  }

  start(running: Running): void {
    const { build } = running;
    this.running.set(build.build, running);
    this.usedSlots += build.weight;
    const held = this.#caches.get(build.repo);
    if (held) this.#put(build.repo, held);
  }

  /** Frees the slots and keeps the repo's cache. Returns the repos whose caches were evicted for it. */
  finish({ build }: Running): string[] {
    this.running.delete(build.build);
    this.usedSlots -= build.weight;
    this.#put(build.repo, { dep: build.dep, size: build.size });
    const inUse = new Set([...this.running.values()].map((other) => other.build.repo)).add(build.repo);
    return this.#evict(inUse);
  }

  #evict(inUse: ReadonlySet<string>): string[] {
    const evicted: string[] = [];
    if (this.#usedDisk <= this.disk) return evicted;
    for (const repo of this.#evictionOrder(inUse)) {
      if (this.#usedDisk <= this.disk) break;
      if (inUse.has(repo)) continue;
      this.#drop(repo);
      evicted.push(repo);
    }
    return evicted;
  }

  #evictionOrder(inUse: ReadonlySet<string>): readonly string[] {
    const savesPerHour = this.#savesPerHour;
    const repos = [...this.#caches.keys()];
    if (!savesPerHour) return repos;
    const caches = repos.map((repo, used) => ({
      ...{ id: repo, kind: 'outputs' as const, bytes: this.#caches.get(repo)?.size ?? 0, lastUsedAt: used },
      ...{ inUse: inUse.has(repo), savesPerHour: savesPerHour(repo) },
    }));
    return evictionOrder(caches, Number.POSITIVE_INFINITY).map(({ id }) => id);
  }

  #put(repo: string, cache: HeldCache): void {
    this.#drop(repo);
    this.#caches.set(repo, cache);
    this.#usedDisk += cache.size;
  }

  #drop(repo: string): void {
    this.#usedDisk -= this.#caches.get(repo)?.size ?? 0;
    this.#caches.delete(repo);
  }
}
