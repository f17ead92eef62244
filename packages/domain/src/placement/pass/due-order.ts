import { runAt } from '../estimates/estimates.ts';
import type { PendingBuild } from '../model/model.ts';
import type { PendingGroup } from '../pool/pending-group.ts';
import type { PoolRepo } from '../pool/pool-repo.ts';
import type { PoolState } from '../pool/pool-state.ts';

/** A team's slot time, slot-ms. */
interface TeamUse {
  readonly before: number;
  /** Given to it in this pass. */
  given: number;
}

/** What the due times of a group's builds have in common. It is worked out once a pass, because most groups are only sorted in and never reached. */
export interface Standing {
  /** Delay by class and length, ms. */
  readonly putOffMs: number;
  readonly team: TeamUse;
}

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
  readonly #teams = new Map<string, TeamUse>();
  readonly #warmth = new Map<PoolRepo, Map<string | undefined, number>>();

  constructor(pool: PoolState, now: number) {
    this.#pool = pool;
    this.#now = now;
    for (const { team } of pool.waiting.groups) this.#team(team);
    this.drainMs = this.#drain();
    this.#least = Math.min(...[...this.#teams.values()].map(({ before }) => before));
  }

  /** Returns what the due times of the group's builds have in common. */
  standing({ repo, cacheVersion, priority, team }: PendingGroup): Standing {
    const { classPenaltyMs, dueCap, dueRuns } = this.#pool.settings;
    const warmth = this.#bestWarmth(repo, cacheVersion);
    const cap = Math.min(dueCap.mostMs, Math.max(dueCap.leastMs, dueCap.drains * this.drainMs));
    const putOffMs = classPenaltyMs[priority] + Math.min(cap, dueRuns * runAt(repo.runs, warmth));
    return { putOffMs, team: this.#team(team) };
  }

  /** Returns the due time of a build, ms since the epoch. It never gets earlier within a pass. */
  due({ putOffMs, team }: Standing, { createdAt }: PendingBuild): number {
    return createdAt + putOffMs + this.#lead(team);
  }

  given(team: string, slotMs: number): void {
    this.#team(team).given += slotMs;
  }

  #team(name: string): TeamUse {
    let team = this.#teams.get(name);
    if (!team) {
      team = { before: this.#pool.teams.served(name, this.#now), given: 0 };
      this.#teams.set(name, team);
    }
    return team;
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
  #lead({ before, given }: TeamUse): number {
    if (this.#teams.size < 2) return 0;
    const { hosts, settings } = this.#pool;
    const lead = Math.max(0, before + given - this.#least) / Math.max(1, hosts.openSlots);
    return Math.min(settings.fairnessCapMs, lead);
  }
}
