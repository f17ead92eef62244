import { runAt } from '../estimates/estimates.ts';
import type { PendingBuild } from '../model/model.ts';
import type { PendingGroup } from '../pool/pending-group.ts';
import type { PoolRepo } from '../pool/pool-repo.ts';
import type { PoolState } from '../pool/pool-state.ts';

/**
 * The order in which waiting builds are decided: by age, put off by class, by their team's recent use of the pool, and by their
 * expected run. Each of these is bounded, so a build that has waited long enough always comes first.
 */
export class DueOrder {
  readonly #pool: PoolState;
  readonly #now: number;
  /** The time in which all slots together could run everything that waits, ms. */
  readonly drainMs: number;
  readonly #least: number;
  /** Slot time given to teams in this pass, slot-ms. */
  readonly #given = new Map<string, number>();
  readonly #alone: boolean;
  readonly #putOff = new Map<PendingGroup, number>();
  readonly #warmth = new Map<PoolRepo, Map<string | undefined, number>>();

  constructor(pool: PoolState, now: number) {
    this.#pool = pool;
    this.#now = now;
    const teams = new Set<string>();
    for (const { team } of pool.waiting.groups) teams.add(team);
    this.#alone = teams.size < 2;
    this.drainMs = this.#drain();
    this.#least = Math.min(...[...teams].map((team) => pool.teams.served(team, now)));
  }

  /** Returns the due time of a build of the group, ms since the epoch. It never gets earlier within a pass. */
  due(group: PendingGroup, { createdAt }: PendingBuild): number {
    let putOff = this.#putOff.get(group);
    if (putOff === undefined) {
      putOff = this.#putOffBy(group);
      this.#putOff.set(group, putOff);
    }
    return createdAt + putOff + this.#lead(group.team);
  }

  given(team: string, slotMs: number): void {
    if (!this.#alone) this.#given.set(team, (this.#given.get(team) ?? 0) + slotMs);
  }

  /** Returns the delay by class and length, neither of which changes within a pass. */
  #putOffBy({ repo, cacheVersion, priority }: PendingGroup): number {
    const { classPenaltyMs, dueCap, dueRuns } = this.#pool.settings;
    const warmth = this.#bestWarmth(repo, cacheVersion);
    const cap = Math.min(dueCap.mostMs, Math.max(dueCap.leastMs, dueCap.drains * this.drainMs));
    return classPenaltyMs[priority] + Math.min(cap, dueRuns * runAt(repo.runs, warmth));
  }

  #drain(): number {
    let work = 0;
    const { hosts, waiting } = this.#pool;
    for (const { repo, cacheVersion, builds, weight, hosts: fitting } of waiting.groups) {
      if (fitting.fitting(hosts).size === 0) continue;
      work += builds.length * weight * runAt(repo.runs, this.#bestWarmth(repo, cacheVersion));
    }
    return work / Math.max(1, hosts.openSlots);
  }

  #bestWarmth(repo: PoolRepo, version: string | undefined): number {
    let byVersion = this.#warmth.get(repo);
    if (!byVersion) {
      byVersion = new Map();
      this.#warmth.set(repo, byVersion);
    }
    let warmth = byVersion.get(version);
    if (warmth === undefined) {
      warmth = this.#pool.hosts.bestWarmth(repo, version);
      byVersion.set(version, warmth);
    }
    return warmth;
  }

  /** Returns how much more of the whole pool's time the team had than the team that had least, ms. */
  #lead(team: string): number {
    if (this.#alone) return 0;
    const { teams, hosts, settings } = this.#pool;
    const had = teams.served(team, this.#now) + (this.#given.get(team) ?? 0);
    return Math.min(settings.fairnessCapMs, Math.max(0, had - this.#least) / Math.max(1, hosts.openSlots));
  }
}
