import type { Policy, PolicyDecision, PolicyEvent, QueuedEvent } from '../protocol/events.ts';

export interface KnownHost {
  readonly host: string;
  slots: number;
  usedSlots: number;
  draining: boolean;
  /** Repos whose caches it holds, whatever their dependency set. */
  readonly caches: Set<string>;
}

export interface QueuedBuild {
  readonly build: string;
  readonly repo: string;
  readonly submitted: number;
  readonly weight: number;
}

/** The base of the policies that Kiln is compared with: tracks the pool and collects assignments. */
export abstract class KnownPool implements Policy {
  readonly hosts = new Map<string, KnownHost>();
  readonly #queued = new Map<string, QueuedBuild>();
  readonly #running = new Map<string, { host: string; build: QueuedBuild }>();
  #assign: { build: string; host: string }[] = [];
  protected seed = 1;

  /** Called for each queued build; it stays queued until `place` is called for it. */
  protected abstract queued(build: QueuedBuild): void;
  /** Assigns builds by calling `place`. May return when to be asked again. */
  protected abstract dispatch(t: number): number | undefined;
  protected hostsChanged(): void {}

  handle(event: PolicyEvent): void {
    switch (event.type) {
      case 'init':
        this.seed = event.seed;
        for (const { host, slots } of event.hosts) this.#up(host, slots);
        this.hostsChanged();
        return;
      case 'host_up':
        this.#up(event.host, event.slots);
        this.hostsChanged();
        return;
      case 'host_drain': {
        const host = this.hosts.get(event.host);
        if (host) host.draining = true;
        this.hostsChanged();
        return;
      }
      case 'host_down':
        this.hosts.delete(event.host);
        for (const [id, { host }] of this.#running) if (host === event.host) this.#running.delete(id);
        this.hostsChanged();
        return;
      case 'build_queued':
        this.#queue(event);
        return;
      case 'build_finished': {
        const run = this.#running.get(event.build);
        const host = this.hosts.get(event.host);
        if (!run || !host) return;
        this.#running.delete(event.build);
        host.usedSlots -= run.build.weight;
        for (const repo of event.evicted) host.caches.delete(repo);
        host.caches.add(run.build.repo);
        return;
      }
      default:
        return;
    }
  }

  decide(t: number): PolicyDecision {
    const wake = this.dispatch(t);
    const assign = this.#assign;
    this.#assign = [];
    return wake === undefined ? { assign } : { assign, wake };
  }

  /** Assigns the build to the host; it uses its slots from now on. */
  protected place(build: QueuedBuild, host: KnownHost): void {
    this.#queued.delete(build.build);
    this.#running.set(build.build, { host: host.host, build });
    host.usedSlots += build.weight;
    this.#assign.push({ build: build.build, host: host.host });
  }

  protected room(host: KnownHost, weight: number): boolean {
    return !host.draining && host.slots - host.usedSlots >= weight;
  }

  protected get openHosts(): KnownHost[] {
    return [...this.hosts.values()].filter(({ draining }) => !draining);
  }

  #up(host: string, slots: number): void {
    const known = this.hosts.get(host);
    if (known) Object.assign(known, { slots, draining: false });
    else this.hosts.set(host, { host, slots, usedSlots: 0, draining: false, caches: new Set() });
  }

  #queue({ build, repo, submitted, weight = 1 }: QueuedEvent): void {
    const queued = { build, repo, submitted, weight };
    this.#queued.set(build, queued);
    this.queued(queued);
  }
}

/** Builds in order of arrival. A lost build is queued again at its old place. */
export class ArrivalQueue {
  readonly #builds: QueuedBuild[] = [];
  #head = 0;

  get first(): QueuedBuild | undefined {
    return this.#builds[this.#head];
  }

  get size(): number {
    return this.#builds.length - this.#head;
  }

  add(build: QueuedBuild): void {
    let at = this.#builds.length;
    while (at > this.#head && (this.#builds[at - 1] as QueuedBuild).submitted > build.submitted) at--;
    this.#builds.splice(at, 0, build);
  }

  shift(): QueuedBuild | undefined {
    const first = this.#builds[this.#head];
    if (first) this.#head++;
    if (this.#head > 1_024 && this.#head * 2 > this.#builds.length) {
      this.#builds.splice(0, this.#head);
      this.#head = 0;
    }
    return first;
  }
}
