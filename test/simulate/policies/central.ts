import { Random } from '../trace/random.ts';
import { ArrivalQueue, type KnownHost, KnownPool, type QueuedBuild } from './known-pool.ts';

/** Serves one queue in order of arrival; `choose` picks the first build's host among those with room. */
abstract class CentralQueue extends KnownPool {
  readonly #queue = new ArrivalQueue();

  protected abstract choose(build: QueuedBuild, free: readonly KnownHost[]): KnownHost;

  protected queued(build: QueuedBuild): void {
    this.#queue.add(build);
  }

  protected dispatch(): undefined {
    for (let first = this.#queue.first; first; first = this.#queue.first) {
      const { weight } = first;
      const free = [...this.hosts.values()].filter((host) => this.room(host, weight));
      if (free.length === 0) return;
      this.#queue.shift();
      this.place(first, this.choose(first, free));
    }
  }
}

/** Takes any free host. */
export class FifoRandom extends CentralQueue {
  #random: Random | undefined;

  protected choose(_: QueuedBuild, free: readonly KnownHost[]): KnownHost {
    this.#random ??= new Random(this.seed, 'fifo');
    return this.#random.pick(free);
  }
}

export class LeastBusy extends CentralQueue {
  protected choose(_: QueuedBuild, free: readonly KnownHost[]): KnownHost {
    return leastBusy(free);
  }
}

/** Takes a free host with the cache, else any free one. */
export class WarmFirst extends CentralQueue {
  protected choose({ repo }: QueuedBuild, free: readonly KnownHost[]): KnownHost {
    const warm = free.filter(({ caches }) => caches.has(repo));
    return leastBusy(warm.length > 0 ? warm : free);
  }
}

export function leastBusy(hosts: readonly KnownHost[]): KnownHost {
  return hosts.reduce((best, host) => (host.usedSlots / host.slots < best.usedSlots / best.slots ? host : best));
}
