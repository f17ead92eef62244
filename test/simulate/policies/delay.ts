import { leastBusy } from './central.ts';
import { ArrivalQueue, KnownPool, type QueuedBuild } from './known-pool.ts';

/**
 * Delay scheduling (Zaharia et al. 2010) with a fixed patience: a build waits that long for a host with its cache, then takes any. If no
 * host has it, the build doesn't wait.
 */
export class DelayScheduling extends KnownPool {
  readonly #patience: number;
  readonly #byRepo = new Map<string, ArrivalQueue>();

  /** Seconds. */
  constructor(patience: number) {
    super();
    this.#patience = patience;
  }

  protected queued(build: QueuedBuild): void {
    let queue = this.#byRepo.get(build.repo);
    if (!queue) {
      queue = new ArrivalQueue();
      this.#byRepo.set(build.repo, queue);
    }
    queue.add(build);
  }

  protected dispatch(t: number): number | undefined {
    for (;;) {
      const next = this.#next(t);
      if (!next) return this.#nextImpatient(t);
      next.queue.shift();
      this.place(next.build, next.host);
    }
  }

  /** Returns the oldest build that has a free host with its cache or has waited for longer than its patience. */
  #next(t: number) {
    const free = this.openHosts.filter((host) => this.room(host, 1));
    if (free.length === 0) return undefined;
    let best: { build: QueuedBuild; queue: ArrivalQueue; host: (typeof free)[number] } | undefined;
    for (const [repo, queue] of this.#byRepo) {
      const build = queue.first;
      if (!build) {
        this.#byRepo.delete(repo);
        continue;
      }
      if (best && best.build.submitted <= build.submitted) continue;
      const fits = free.filter((host) => this.room(host, build.weight));
      const warm = fits.filter(({ caches }) => caches.has(repo));
      const impatient = t - build.submitted >= this.#patience || !this.#isHeld(repo);
      const among = warm.length > 0 ? warm : impatient ? fits : [];
      if (among.length > 0) best = { build, queue, host: leastBusy(among) };
    }
    return best;
  }

  #isHeld(repo: string): boolean {
    for (const { caches, draining } of this.hosts.values()) if (!draining && caches.has(repo)) return true;
    return false;
  }

  #nextImpatient(t: number): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const { first } of this.#byRepo.values()) {
      const at = first ? first.submitted + this.#patience : Number.POSITIVE_INFINITY;
      if (at > t) next = Math.min(next, at);
    }
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }
}
