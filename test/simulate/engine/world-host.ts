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
}

/** A simulated host: slots, and a disk that evicts the least recently used caches when it is full. */
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

  constructor({ host, slots, disk }: HostSpec) {
    this.host = host;
    this.slots = slots;
    this.disk = disk;
  }

  cacheFor({ repo, dep }: TraceBuild): CacheState {
    const held = this.#caches.get(repo);
    return held === undefined ? 'cold' : held.dep === dep ? 'warm' : 'stale';
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
    const evicted: string[] = [];
    for (const repo of this.#caches.keys()) {
      if (this.#usedDisk <= this.disk) break;
      if (inUse.has(repo)) continue;
      this.#drop(repo);
      evicted.push(repo);
    }
    return evicted;
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
