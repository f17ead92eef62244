import type { Trust } from '../../access/principal.ts';
import type { PendingBuild } from '../model/model.ts';
import { emulationsFor, type RuledOut, ruleOut } from '../model/requirements.ts';
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
        const verdict = this.ruledOut(host);
        this.#counts.set(verdict, (this.#counts.get(verdict) ?? 0) + 1);
      }
    }
    return this.#counts;
  }

  /** Returns what rules out a host that isn't one of the fitting ones. */
  ruledOut(host: PoolHost): RuledOut {
    return ruleOut(this.#like, host.view) ?? 'would_emulate';
  }
}

/**
 * A host that lost the build before is the last resort rather than ruled out: a pool may have no other host. Of several, those that emulate least fit,
 * even if they are busy: emulation takes many times as long.
 */
function fittingHosts(like: PendingBuild, hosts: Iterable<PoolHost>): Set<PoolHost> {
  const fresh: PoolHost[] = [];
  const lastResort: PoolHost[] = [];
  for (const host of hosts) {
    const ruledOut = ruleOut(like, host.view);
    if (ruledOut === undefined) fresh.push(host);
    else if (ruledOut === 'lost_it_before') lastResort.push(host);
  }
  return leastEmulating(like, fresh.length > 0 ? fresh : lastResort);
}

function leastEmulating(like: PendingBuild, hosts: readonly PoolHost[]): Set<PoolHost> {
  if (like.platforms.length === 0) return new Set(hosts);
  const counts = hosts.map(({ view }) => emulationsFor(like, view));
  const least = counts.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  return new Set(hosts.filter((_, i) => counts[i] === least));
}
