import { runAt } from './estimates.ts';
import type { PendingGroup } from './pending-group.ts';
import type { PoolRepo } from './pool-repo.ts';
import type { PoolState } from './pool-state.ts';
import type { PendingBuild } from './words.ts';

/**
 * In which order waiting builds are decided for: by the time they came, put off by class, by how much their team had lately, and by how
 * long they are expected to run. Each of these is bounded, so whoever waits long enough comes first: nothing starves.
 */
export class DueOrder {
  readonly #pool: PoolState;
  readonly #now: number;
  readonly #least: number;
  /** What teams were given in this pass, slot-ms. */
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
    this.#least = Math.min(...[...teams].map((team) => pool.teams.served(team, now)));
  }

  /** ms since the epoch; never gets earlier within a pass. */
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

  /** By class and by length: neither changes within a pass. */
  #putOffBy({ repo, cacheVersion, priority }: PendingGroup): number {
    const { classPenaltyMs, dueCapMs, dueRuns } = this.#pool.settings;
    const warmth = this.#bestWarmth(repo, cacheVersion);
    const cap = priority === 'interactive' ? dueCapMs.interactive : warmth > 0 ? dueCapMs.held : dueCapMs.cold;
    return classPenaltyMs[priority] + Math.min(cap, dueRuns * runAt(repo.runs, warmth));
  }

  #bestWarmth(repo: PoolRepo, version: string | undefined): number {
    let byVersion = this.#warmth.get(repo);
    if (!byVersion) {
      byVersion = new Map();
      this.#warmth.set(repo, byVersion);
    }
    let warmth = byVersion.get(version);
    if (warmth === undefined) {
      warmth = repo.bestWarmth(version);
      byVersion.set(version, warmth);
    }
    return warmth;
  }

  /** By how much of the whole pool's time the team is ahead of the one that had least. */
  #lead(team: string): number {
    if (this.#alone) return 0;
    const { teams, hosts, settings } = this.#pool;
    const had = teams.served(team, this.#now) + (this.#given.get(team) ?? 0);
    return Math.min(settings.fairnessCapMs, Math.max(0, had - this.#least) / Math.max(1, hosts.openSlots));
  }
}
