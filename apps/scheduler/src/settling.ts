import type { HostState, ServerRun } from '@kiln/state';

/** The lease assumed for a host that doesn't report one, ms: the workers' default. */
const DEFAULT_LEASE_MS = 15_000;

/**
 * Holds back reclaiming and placement after another Redis server took over: a replica promoted by Sentinel, or a restarted or restored
 * server. It may have lost the last writes, such as an assignment whose attempt a host is running, or the renewal of a lease.
 *
 * A host is settled once it has reported to the new server, whose answer says which attempts it no longer owns, or once its old lease has
 * surely ended, so that it has stopped by itself. Nothing is reclaimed from a host that isn't settled, and nothing is placed until all hosts
 * are: no build is assigned to a second host while the first may still run it. See ADR 8.
 */
export class Settling {
  #server: ServerRun | undefined;
  /** When the old leases began at the latest, ms since the epoch by this process's clock. */
  #since = 0;
  /** Hosts that this leader knew before the change; the new server may have lost them. */
  #before: ReadonlyMap<string, HostState> = new Map();
  #settled = true;

  /**
   * Notes which server answers at `now`. Returns true if it isn't the one that this leader knew.
   * @param hosts the hosts as known so far
   */
  note(server: ServerRun | undefined, hosts: ReadonlyMap<string, HostState>, now: number): boolean {
    if (server === undefined || server.id === this.#server?.id) return false;
    const isKnownBefore = this.#server !== undefined;
    this.#server = server;
    this.#settled = server.changedAgoMs === undefined;
    this.#since = now - (server.changedAgoMs ?? 0);
    this.#before = isKnownBefore ? new Map(hosts) : new Map();
    return true;
  }

  /** Whether builds may be placed. */
  isOver(hosts: ReadonlyMap<string, HostState>, now: number): boolean {
    if (this.#settled) return true;
    const names = new Set([...this.#before.keys(), ...hosts.keys()]);
    this.#settled = [...names].every((name) => this.isSettled(hosts.get(name) ?? this.#before.get(name), now));
    return this.#settled;
  }

  /** Whether the host's attempts may be reclaimed once its lease is over. */
  isSettled(host: HostState | undefined, now: number): boolean {
    if (this.#settled || host === undefined || host.left) return true;
    return host.serverRun === this.#server?.id || now - this.#since >= (host.leaseTtlMs ?? DEFAULT_LEASE_MS);
  }
}
