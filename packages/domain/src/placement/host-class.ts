import type { PoolHost } from './pool-host.ts';
import { type RuledOut, ruleOut } from './requirements.ts';
import type { PendingBuild } from './words.ts';

/** The hosts that fit builds of the same requirements. Worked out again only after a host came, changed or went. */
export class HostClass {
  readonly key: string;
  readonly weight: number;
  readonly #like: PendingBuild;
  #revision = -1;
  #fitting: ReadonlySet<PoolHost> = new Set();
  /** Builds that have these requirements now; the class is forgotten with the last. */
  users = 0;

  constructor(key: string, like: PendingBuild) {
    this.key = key;
    this.weight = like.weight;
    this.#like = like;
  }

  /** Hosts that can take such a build when they have room. `revision` tells when `hosts` has changed. */
  fitting(hosts: ReadonlyMap<string, PoolHost>, revision: number): ReadonlySet<PoolHost> {
    if (this.#revision !== revision) {
      this.#revision = revision;
      this.#fitting = fittingHosts(this.#like, hosts);
    }
    return this.#fitting;
  }

  /** What rules `host` out, if it isn't among the fitting ones. */
  ruledOut(host: PoolHost): RuledOut | undefined {
    return this.#fitting.has(host) ? undefined : ruleOut(this.#like, host.view);
  }
}

/** A host that lost the build before is the last resort, not forbidden: in a pool of one it is all there is. */
function fittingHosts(like: PendingBuild, hosts: ReadonlyMap<string, PoolHost>): Set<PoolHost> {
  const fresh = new Set<PoolHost>();
  const lastResort = new Set<PoolHost>();
  for (const host of hosts.values()) {
    const ruledOut = ruleOut(like, host.view);
    if (ruledOut === undefined) fresh.add(host);
    else if (ruledOut === 'lost_it_before') lastResort.add(host);
  }
  return fresh.size > 0 ? fresh : lastResort;
}
