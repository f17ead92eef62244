import type { BuilderAction, BuilderState } from './builder-fault.ts';

/** An attempt to repair a builder. */
export interface Repair {
  /** ms since the epoch. */
  readonly at: number;
  readonly state: BuilderState;
  readonly action: RepairAction;
}

export type RepairAction = Extract<BuilderAction, 'pruned' | 'restarted' | 'new_state'>;

export interface RepairLimits {
  /** How many repairs a builder gets within 24 h. */
  readonly perDay: number;
  /** Delay before the second repair, ms; doubled with each further one, up to half an hour. */
  readonly backoffMs: number;
}

export const REPAIR_LIMITS: RepairLimits = { perDay: 6, backoffMs: 30_000 };

const DAY_MS = 24 * 3_600_000;
const LONGEST_BACKOFF_MS = 1_800_000;
/** A builder that has worked for this long after a repair was healed by it. */
const HEALED_AFTER_MS = 3_600_000;

/** What helps in each state, the mildest first. A full disk isn't helped by a new state: what fills it may be something else. */
const LADDER: Readonly<Record<BuilderState, readonly RepairAction[]>> = {
  snapshot_missing: ['pruned', 'restarted', 'new_state'],
  content_missing: ['pruned', 'restarted', 'new_state'],
  record_corrupt: ['pruned', 'restarted', 'new_state'],
  stuck: ['restarted', 'restarted', 'new_state'],
  disk_full: ['pruned'],
  out_of_memory: ['restarted'],
  down: ['restarted', 'restarted', 'new_state'],
};

export type NextRepair =
  | { readonly type: 'repair'; readonly action: RepairAction; readonly afterMs: number }
  /** The builder stays quarantined until `untilMs` (ms since the epoch): the repairs of the day are used up, or there is none. */
  | { readonly type: 'wait'; readonly untilMs: number; readonly why: 'budget' | 'no_repair' };

/** The repairs of the last 24 h. */
export function recentRepairs<R extends Pick<Repair, 'at'>>(repairs: readonly R[], now: number): R[] {
  return repairs.filter(({ at }) => at > now - DAY_MS);
}

/**
 * Decides what to do next about a builder in a bad state.
 * @param repairs of this builder, the oldest first
 * @param possible repairs that its driver allows, in its present condition
 */
export function nextRepair(
  repairs: readonly Repair[],
  state: BuilderState,
  possible: readonly RepairAction[],
  now: number,
  { perDay, backoffMs }: RepairLimits = REPAIR_LIMITS,
): NextRepair {
  const recent = recentRepairs(repairs, now);
  const ladder = LADDER[state].filter((action) => possible.includes(action));
  if (ladder.length === 0) return { type: 'wait', untilMs: now + LONGEST_BACKOFF_MS, why: 'no_repair' };
  const oldest = recent[0];
  if (oldest && recent.length >= perDay) return { type: 'wait', untilMs: oldest.at + DAY_MS, why: 'budget' };
  const inVain = recent.filter(({ at }) => at > now - HEALED_AFTER_MS);
  const action = ladder[Math.min(inVain.length, ladder.length - 1)] as RepairAction;
  const last = inVain.at(-1);
  const delayMs = Math.min(LONGEST_BACKOFF_MS, backoffMs * 2 ** (inVain.length - 1));
  return { type: 'repair', action, afterMs: last ? Math.max(0, last.at + delayMs - now) : 0 };
}
