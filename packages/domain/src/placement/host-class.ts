import type { Trust } from '../access/principal.ts';
import type { HostTable } from './host-table.ts';
import type { PoolHost } from './pool-host.ts';
import { type RuledOut, ruleOut } from './requirements.ts';
import type { PendingBuild } from './words.ts';

/** The hosts that fit builds of the same requirements. Worked out again only after a host came, changed or went. */
export class HostClass {
  readonly key: string;
  readonly weight: number;
  readonly trust: Trust;
  /** Groups of builds that have these requirements now; the class is forgotten with the last. */
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

  /** Hosts that can take such a build when they have room. */
  fitting({ all, revision }: HostTable): ReadonlySet<PoolHost> {
    if (this.#revision !== revision) {
      this.#revision = revision;
      this.#fitting = fittingHosts(this.#like, all.values());
    }
    return this.#fitting;
  }

  /** How many hosts aren't fitting, by what rules them out. */
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

  /** What rules a host out. */
  ruledOut(host: PoolHost): RuledOut | undefined {
    return ruleOut(this.#like, host.view);
  }
}

/** A host that lost the build before is the last resort, not forbidden: in a pool of one it is all there is. */
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
