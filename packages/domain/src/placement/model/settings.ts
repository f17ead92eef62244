import type { Priority } from './model.ts';

/**
 * The constants of the policy; times in ms. They were chosen in the simulator, on the scenarios that docs/develop/placement.md names; most lie
 * on flat ground, so that half or double changes little.
 */
export interface PlacementSettings {
  /** A lower class is served as if it had come this much later. */
  readonly classPenaltyMs: Readonly<Record<Priority, number>>;
  /** A build is served as if it had come so many of its expected runs later: short ones first, which shortens the mean. */
  readonly dueRuns: number;
  /** … but at most this much later: when it is interactive, when a host has its cache, and when none has. So age wins in the end. */
  readonly dueCapMs: { readonly interactive: number; readonly held: number; readonly cold: number };
  /** A team is served later by what it had more of the whole pool's time than the team that had least, at most this much. */
  readonly fairnessCapMs: number;
  /** How fast it is forgotten what a team had. */
  readonly fairnessMemoryMs: number;
  /** What a slot's time costs beyond 1, the price of waiting, when the pool is full and every slot has a build waiting for it. */
  readonly slotPremium: number;
  /** Over which time it is judged whether the pool is full. */
  readonly saturationMs: number;
  /** A further copy is worth this share of what a warm run saves, for each slot that its repo needs per slot that has its cache. */
  readonly spreadShare: number;
  /** … and at most this share. */
  readonly spreadCap: number;
  /** A cold run where waiting builds with caches there want all the free slots. */
  readonly wantedSlotMs: number;
  /** What a cold run costs the warm work that its host can expect, for each ms and slot. */
  readonly crowding: number;
  /** A further copy's evictions count so many times: a first copy has to be made somewhere, a further one needn't. */
  readonly furtherEviction: number;
  /** Waiting beyond this age costs `impatience` times as much more, while the pool has room for everybody … */
  readonly patientMs: number;
  readonly impatience: number;
  /** … and so many times for the first builds of a repo, as nobody knows how long the run takes that they wait for. */
  readonly strangerImpatience: number;
  /** Free slots beyond what waits, as a share of all, with which the pool has room for everybody. */
  readonly roomShare: number;
  /** For how long demand is looked ahead: as long as caches are kept that nobody uses. Before that is known, and its limits. */
  readonly horizonMs: { readonly initial: number; readonly least: number; readonly most: number };
  /** Demand is measured over so many horizons. */
  readonly demandHorizons: number;
  /** Free hosts without the cache that are weighed for one build. */
  readonly coldWindow: number;
  /** A build that waits though there is room is looked at again after this time. */
  readonly lookAgainMs: number;
}

const MINUTE = 60_000;

export const DEFAULT_PLACEMENT: PlacementSettings = {
  classPenaltyMs: { interactive: 0, normal: 5 * MINUTE, batch: 20 * MINUTE },
  dueRuns: 6,
  dueCapMs: { interactive: 5 * MINUTE, held: 30 * MINUTE, cold: 60 * MINUTE },
  fairnessCapMs: 10 * MINUTE,
  fairnessMemoryMs: 60 * MINUTE,
  slotPremium: 2,
  saturationMs: 30 * MINUTE,
  spreadShare: 0.4,
  spreadCap: 1,
  wantedSlotMs: MINUTE,
  crowding: 2.2,
  furtherEviction: 5,
  patientMs: 20 * MINUTE,
  impatience: 10,
  strangerImpatience: 30,
  roomShare: 0.1,
  horizonMs: { initial: 60 * MINUTE, least: 10 * MINUTE, most: 360 * MINUTE },
  demandHorizons: 2,
  coldWindow: 12,
  lookAgainMs: 15_000,
};
