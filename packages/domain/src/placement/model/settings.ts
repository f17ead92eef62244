import type { Priority } from './model.ts';

/**
 * The constants of the policy; times in ms. They were chosen in the simulator on scenarios and on random pools (docs/develop/placement.md).
 * Most have a flat optimum: half or double the value changes little.
 */
export interface PlacementSettings {
  /** How much later a build of the class is due. */
  readonly classPenaltyMs: Readonly<Record<Priority, number>>;
  /** How much later a build is due, in its expected runs. Short builds go first, which shortens the mean time to finish. */
  readonly dueRuns: number;
  /**
   * Limit of that: so many times the time in which the pool could run everything that waits, and not less than `least` nor more than `most`.
   * While little waits, no build is overtaken for long; age prevails in the end.
   */
  readonly dueCap: { readonly drains: number; readonly leastMs: number; readonly mostMs: number };
  /** Limit of how much later a team's builds are due because it used more of the pool's time than the team that used least. */
  readonly fairnessCapMs: number;
  /** Time constant with which a team's use is forgotten. */
  readonly fairnessMemoryMs: number;
  /** Cost of slot time beyond 1, the cost of waiting, when a build waits for every slot. */
  readonly slotPremium: number;
  /** Worth of another copy, as a share of what a warm run saves, for each slot that its repo needs per slot that has its cache. */
  readonly spreadShare: number;
  /** Limit of that share. */
  readonly spreadCap: number;
  /** Cost of a cold run on a host whose free slots are all wanted by waiting builds with caches there. */
  readonly wantedSlotMs: number;
  /** Cost of a cold run to the warm builds that its host can expect, per ms and slot. */
  readonly crowding: number;
  /** Age beyond which waiting costs more: `ms`, and so many times the time in which the pool could run everything that waits. */
  readonly patience: { readonly ms: number; readonly drains: number };
  /** Extra cost of waiting beyond that age, per ms. */
  readonly impatience: number;
  /** How far ahead demand is expected, which is how long unused caches are kept: the first guess, and the limits of what is learned. */
  readonly horizonMs: { readonly initial: number; readonly least: number; readonly most: number };
  /** Time constant over which demand is measured, in horizons. */
  readonly demandHorizons: number;
  /** Free hosts without the cache that are weighed for one build. */
  readonly coldWindow: number;
  /** After this time a build that waits beside free room is decided again. */
  readonly lookAgainMs: number;
}

const MINUTE = 60_000;

export const DEFAULT_PLACEMENT: PlacementSettings = {
  classPenaltyMs: { interactive: 0, normal: 5 * MINUTE, batch: 10 * MINUTE },
  dueRuns: 12,
  dueCap: { drains: 10, leastMs: 10 * MINUTE, mostMs: 120 * MINUTE },
  fairnessCapMs: 10 * MINUTE,
  fairnessMemoryMs: 60 * MINUTE,
  slotPremium: 1,
  spreadShare: 0.4,
  spreadCap: 1,
  wantedSlotMs: MINUTE,
  crowding: 1.2,
  patience: { ms: 60 * MINUTE, drains: 6 },
  impatience: 4,
  horizonMs: { initial: 60 * MINUTE, least: 10 * MINUTE, most: 360 * MINUTE },
  demandHorizons: 2,
  coldWindow: 12,
  lookAgainMs: 15_000,
};
