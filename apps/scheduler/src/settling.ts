import type { HostState, ServerRun } from '@kiln/state';

/** How long a host's lease is taken to last that doesn't say, ms: the workers' default. */
const DEFAULT_LEASE_MS = 15_000;

/**
 * The time after another Redis server has taken the place of the one before: a replica that Sentinel put there, a restarted or a restored
 * one. It may have lost the last writes: an assignment, of which a host runs the attempt all the same, or the renewal of a lease. Until each host
 * has reported to this server, and was told by the answer what isn't its own, or its lease of before has surely ended, so that it has
 * stopped by itself, nothing is taken back from it; and until that holds of all hosts nothing is placed: no build is given to a second host
 * while the first may still run it. ADR 8 has the reasons.
 */
export class Settling {
  #server: ServerRun | undefined;
  /** ms since the epoch, by this process' clock, from which the leases of before count. */
  #since = 0;
  /** Hosts as this leader knew them before; Redis may have forgotten them. */
  #before: ReadonlyMap<string, HostState> = new Map();
  #settled = true;

  /** Takes in which server answers, at `now`; true where it is another one than this leader knew. `hosts`: as they were known until now. */
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

  /** Whether what the host holds may be taken back, where its lease is over. */
  isSettled(host: HostState | undefined, now: number): boolean {
    if (this.#settled || host === undefined || host.left) return true;
    return host.serverRun === this.#server?.id || now - this.#since >= (host.leaseTtlMs ?? DEFAULT_LEASE_MS);
  }
}
