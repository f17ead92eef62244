import type { PoolEvent } from '@kiln/contracts';
import { type HostView, type PendingBuild, waitsForHost } from '@kiln/domain';
import { type BuildStore, type HostState, type HostStore, type PendingStore, pendingBuild } from '@kiln/state';

/** What waits and where it could go, as the leader holds it in memory: rebuilt from Redis at start, kept current by events. */
export class PoolView {
  readonly #builds: BuildStore;
  readonly #pending: PendingStore;
  readonly #hostStore: HostStore;
  readonly pending = new Map<string, PendingBuild>();
  readonly hosts = new Map<string, HostState>();

  constructor(builds: BuildStore, pending: PendingStore, hosts: HostStore) {
    this.#builds = builds;
    this.#pending = pending;
    this.#hostStore = hosts;
  }

  /** Reads everything anew. */
  async rebuild(): Promise<void> {
    const ids = await this.#pending.queuedIds();
    this.pending.clear();
    for (const id of ids) await this.#readBuild(id);
    await this.readHosts();
  }

  async readHosts(): Promise<void> {
    const hosts = await this.#hostStore.list();
    this.hosts.clear();
    for (const host of hosts) this.hosts.set(host.report.name, host);
  }

  /** Takes in what an event says has changed. */
  async apply(event: PoolEvent): Promise<void> {
    if (event.type === 'host' || event.type === 'caches') return this.#readHost(event.host);
    if (event.type !== 'build') return;
    if (event.state === 'queued') await this.#readBuild(event.id);
    else this.pending.delete(event.id);
    // Assigned or ended: the host's slots have changed.
    if (event.host) await this.#readHost(event.host);
  }

  hostViews(): HostView[] {
    return [...this.hosts.values()]
      .filter((host) => host.alive)
      .map(({ report, held, cordoned, draining }) => ({
        name: report.name,
        slots: report.slots,
        usedSlots: held.reduce((sum, { weight }) => sum + weight, 0),
        platforms: report.platforms,
        labels: report.labels,
        cordoned,
        draining: draining || !report.accepting,
      }));
  }

  async #readBuild(id: string): Promise<void> {
    const build = await this.#builds.get(id);
    if (build && waitsForHost(build.record)) this.pending.set(id, pendingBuild(build));
    else this.pending.delete(id);
  }

  async #readHost(name: string): Promise<void> {
    const host = await this.#hostStore.get(name);
    if (host) this.hosts.set(name, host);
    else this.hosts.delete(name);
  }
}
