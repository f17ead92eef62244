import { ArrivalQueue, type KnownHost, KnownPool, type QueuedBuild } from './known-pool.ts';

/** Assigns a build to a host when it arrives, where it waits; it gets another host only if that one is lost or drained. */
abstract class BoundEarly extends KnownPool {
  readonly #queues = new Map<string, ArrivalQueue>();
  readonly #homeless: QueuedBuild[] = [];
  /** Slots that the builds waiting at each host need. */
  protected readonly waiting = new Map<string, number>();

  /** Returns undefined if no host is open. */
  protected abstract home(build: QueuedBuild): KnownHost | undefined;

  protected queued(build: QueuedBuild): void {
    const host = this.home(build);
    if (!host) return void this.#homeless.push(build);
    let queue = this.#queues.get(host.host);
    if (!queue) {
      queue = new ArrivalQueue();
      this.#queues.set(host.host, queue);
    }
    queue.add(build);
    this.waiting.set(host.host, (this.waiting.get(host.host) ?? 0) + build.weight);
  }

  protected override hostsChanged(): void {
    const again = this.#homeless.splice(0);
    for (const [name, queue] of this.#queues) {
      const host = this.hosts.get(name);
      if (host && !host.draining) continue;
      this.#queues.delete(name);
      this.waiting.delete(name);
      for (let build = queue.shift(); build; build = queue.shift()) again.push(build);
    }
    for (const build of again) this.queued(build);
  }

  protected dispatch(): undefined {
    for (const [name, queue] of this.#queues) {
      const host = this.hosts.get(name);
      if (!host) continue;
      for (let first = queue.first; first && this.room(host, first.weight); first = queue.first) {
        queue.shift();
        this.waiting.set(name, (this.waiting.get(name) ?? 0) - first.weight);
        this.place(first, host);
      }
    }
  }

  /** Returns the slots used and waited for at a host. */
  protected load(host: KnownHost): number {
    return host.usedSlots + (this.waiting.get(host.host) ?? 0);
  }
}

/** Points on a ring of 32 bits. A host that joins or leaves moves only its share of the repos. */
const POINTS = 100;

abstract class HashRing extends BoundEarly {
  #ring: { at: number; host: KnownHost }[] = [];

  protected override hostsChanged(): void {
    this.#ring = this.openHosts
      .flatMap((host) => Array.from({ length: POINTS }, (_, i) => ({ at: hash(`${host.host}#${i}`), host })))
      .sort((a, b) => a.at - b.at);
    super.hostsChanged();
  }

  /** Yields each host once, in the ring's order from the repo's point on. */
  protected *from(repo: string): Generator<KnownHost> {
    const at = hash(repo);
    let first = this.#ring.findIndex((point) => point.at >= at);
    if (first < 0) first = 0;
    const seen = new Set<KnownHost>();
    for (let i = 0; i < this.#ring.length; i++) {
      const host = this.#ring[(first + i) % this.#ring.length]?.host;
      if (!host || seen.has(host)) continue;
      seen.add(host);
      yield host;
    }
  }
}

/** Always takes the same host for a repo, as the kubernetes driver of buildx does. */
export class StickyHash extends HashRing {
  protected home({ repo }: QueuedBuild): KnownHost | undefined {
    for (const host of this.from(repo)) return host;
    return undefined;
  }
}

/** Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2018): takes the next host on the ring that has less than its share. */
export class BoundedLoadHash extends HashRing {
  readonly #c = 1.25;

  protected home({ repo, weight }: QueuedBuild): KnownHost | undefined {
    const open = this.openHosts;
    const load = open.reduce((sum, host) => sum + this.load(host), weight);
    const slots = open.reduce((sum, { slots }) => sum + slots, 0);
    let last: KnownHost | undefined;
    for (const host of this.from(repo)) {
      last = host;
      if (this.load(host) + weight <= Math.ceil(((this.#c * load) / slots) * host.slots)) return host;
    }
    return last;
  }
}

/** Takes the least loaded host that has the repo's volumes, however busy, or any if none has, as Concourse's `volume-locality` does. */
export class VolumeLocality extends BoundEarly {
  protected home({ repo }: QueuedBuild): KnownHost | undefined {
    const open = this.openHosts;
    const holding = open.filter(({ caches }) => caches.has(repo));
    const among = holding.length > 0 ? holding : open;
    return among.reduce<KnownHost | undefined>(
      (best, host) => (best && this.load(best) / best.slots <= this.load(host) / host.slots ? best : host),
      undefined,
    );
  }
}

/** FNV-1a with the final mix of murmur3, 32 bits. */
function hash(text: string): number {
  let h = 2_166_136_261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16_777_619);
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
