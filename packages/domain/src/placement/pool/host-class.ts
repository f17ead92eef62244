import type { Trust } from '../../access/principal.ts';
import type { PendingBuild } from '../model/model.ts';
import { type RuledOut, ruleOut } from '../model/requirements.ts';
import type { HostTable } from './host-table.ts';
import type { PoolHost } from './pool-host.ts';

/** The hosts that fit builds with the same requirements. Recomputed only after a host joined, changed or left. */
export class HostClass {
  readonly key: string;
  readonly weight: number;
  readonly trust: Trust;
  /** Pending groups with these requirements; the class is dropped with the last of them. */
  users = 0;
  readonly #like: PendingBuild;
  #revision = -1;
  #fitting: ReadonlySet<PoolHost> = new Set();
  readonly #counts = new Map<RuledOut, number>();
  #countsRevision = -1;

  constructor(key: string, like: PendingBuild) {
    this.key = key;
    this.weight = like.weight;
    this.trust = like.trust;
    this.#like = like;
  }

  /** Returns the hosts that can take such a build as soon as they have room. */
  fitting({ all, revision }: HostTable): ReadonlySet<PoolHost> {
    if (this.#revision !== revision) {
      this.#revision = revision;
      this.#fitting = fittingHosts(this.#like, all.values());
    }
    return this.#fitting;
  }

  /** Returns how many hosts don't fit, by what rules them out. */
  ruledOutCounts(hosts: HostTable): ReadonlyMap<RuledOut, number> {
    const fitting = this.fitting(hosts);
    if (this.#countsRevision !== hosts.revision) {
      this.#countsRevision = hosts.revision;
      this.#counts.clear();
      for (const host of hosts.all.values()) {
        if (fitting.has(host)) continue;
        const verdict = this.ruledOut(host) ?? 'lost_it_before';
        this.#counts.set(verdict, (this.#counts.get(verdict) ?? 0) + 1);
      }
    }
    return this.#counts;
  }

  /** Returns what rules the host out, if anything. */
  ruledOut(host: PoolHost): RuledOut | undefined {
    return ruleOut(this.#like, host.view);
  }
}

/** A host that lost the build before is the last resort rather than ruled out: a pool may have no other host. */
function fittingHosts(like: PendingBuild, hosts: Iterable<PoolHost>): Set<PoolHost> {
  const fresh = new Set<PoolHost>();
  const lastResort = new Set<PoolHost>();
  for (const host of hosts) {
    const ruledOut = ruleOut(like, host.view);
    if (ruledOut === undefined) fresh.add(host);
    else if (ruledOut === 'lost_it_before') lastResort.add(host);
  }
  return fresh.size > 0 ? fresh : lastResort;
}
