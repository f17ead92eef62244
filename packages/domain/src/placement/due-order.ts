import { runAt } from './estimates.ts';
import type { PendingGroup } from './pending-group.ts';
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

  constructor(pool: PoolState, now: number) {
    this.#pool = pool;
    this.#now = now;
    const teams = new Set<string>();
    for (const { team } of pool.waiting.groups) teams.add(team);
    this.#alone = teams.size < 2;
    this.#least = Math.min(...[...teams].map((team) => pool.teams.served(team, now)));
  }

  /** ms since the epoch; never gets earlier within a pass. */
  due({ repo, cacheVersion, priority, team }: PendingGroup, { createdAt }: PendingBuild): number {
    const { classPenaltyMs, dueCapMs, dueRuns } = this.#pool.settings;
    const warmth = repo.bestWarmth(cacheVersion);
    const cap = priority === 'interactive' ? dueCapMs.interactive : warmth > 0 ? dueCapMs.held : dueCapMs.cold;
    const length = Math.min(cap, dueRuns * runAt(repo.runs, warmth));
    return createdAt + classPenaltyMs[priority] + length + this.#lead(team);
  }

  given(team: string, slotMs: number): void {
    if (!this.#alone) this.#given.set(team, (this.#given.get(team) ?? 0) + slotMs);
  }

  /** By how much of the whole pool's time the team is ahead of the one that had least. */
  #lead(team: string): number {
    if (this.#alone) return 0;
    const { teams, hosts, settings } = this.#pool;
    const had = teams.served(team, this.#now) + (this.#given.get(team) ?? 0);
    return Math.min(settings.fairnessCapMs, Math.max(0, had - this.#least) / Math.max(1, hosts.openSlots));
  }
}
