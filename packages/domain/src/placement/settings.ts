/** The constants of the policy. Times in ms. Chosen in the simulator (docs/placement.md says how); every default names what it is for. */
export interface PlacementSettings {
  /** A lower class is served as if it had come this much later. */
  readonly classPenaltyMs: Readonly<Record<'interactive' | 'normal' | 'batch', number>>;
  /** A build is served as if it had come so many of its expected runs later: short ones go first, which shortens the mean. */
  readonly dueRuns: number;
  /** … but never later than this, so that a long build's turn comes. */
  readonly dueCapMs: number;
  /** A team that had more of the pool than another is served later by that much of the whole pool's time, at most. */
  readonly fairnessCapMs: number;
  /** How fast what a team was served is forgotten. */
  readonly fairnessMemoryMs: number;
  /** How much dearer slot time gets when every slot has a build waiting for it. */
  readonly maxSlotPremium: number;
  readonly spreadBonus: number;
  readonly patience: number;
  readonly patienceMax: number;
  readonly warmCrowding: number;
  readonly waitInflation: number;
  readonly quad: number;
  readonly dueCapWarm: number;
  readonly strange: number;
  readonly satLimit: number;
  readonly room: number;
  readonly roomQueued: number;
  readonly raise: number;
  readonly oldMs: number;
  readonly oldFirst: number;
  readonly freeWeight: number;
  readonly satPow: number;
  readonly satMs: number;
  readonly utilPremium: number;
  readonly utilFrom: number;
  readonly utilMs: number;
  readonly impatience: number;
  readonly patientMs: number;
  readonly spreadMax: number;
  readonly furtherEviction: number;
  readonly queuedWeight: number;
  readonly extern: number;
  readonly externWarm: number;
  readonly externCap: number;
  readonly unbias: number;
  readonly tie: number;
  readonly tieLoad: number;
  readonly memory: number;
  readonly copiesExp: number;
  /** A cold run on a host whose free slots are all wanted by waiting warm builds. */
  readonly wantedSlotMs: number;
  /** What a cold run costs the warm work that its host can expect. */
  readonly crowding: number;
  /** What an expected loss of other caches counts. */
  readonly evictionWeight: number;
  /** Horizon of demand before any cache was evicted, and its limits. */
  readonly horizonMs: number;
  readonly minHorizonMs: number;
  readonly maxHorizonMs: number;
  /** Free hosts without the cache that are looked at for one build. */
  readonly coldWindow: number;
  /** A waiting build is looked at again after this time though nothing may have happened. */
  readonly lookAgainMs: number;
}

export const DEFAULT_PLACEMENT: PlacementSettings = {
  classPenaltyMs: { interactive: 0, normal: 300_000, batch: 900_000 },
  dueRuns: 6,
  dueCapMs: 3_600_000,
  fairnessCapMs: 600_000,
  fairnessMemoryMs: 3_600_000,
  maxSlotPremium: 2,
  spreadBonus: 0.4,
  patience: 0,
  patienceMax: 1,
  warmCrowding: 0,
  waitInflation: 0,
  quad: 0,
  dueCapWarm: 1_800_000,
  strange: 30,
  satLimit: 0.2,
  room: 0.1,
  roomQueued: 1,
  raise: 1,
  oldMs: 86_400_000,
  oldFirst: 0,
  freeWeight: 2,
  satPow: 1,
  satMs: 1_800_000,
  utilPremium: 0,
  utilFrom: 0.6,
  utilMs: 3_600_000,
  impatience: 10,
  patientMs: 1_200_000,
  spreadMax: 2.5,
  furtherEviction: 5,
  queuedWeight: 1,
  extern: 0,
  externWarm: 0,
  externCap: 500_000,
  unbias: 1,
  tie: 0,
  tieLoad: 0,
  memory: 2,
  copiesExp: 1,
  wantedSlotMs: 60_000,
  crowding: 2.2,
  evictionWeight: 1,
  horizonMs: 3_600_000,
  minHorizonMs: 600_000,
  maxHorizonMs: 21_600_000,
  coldWindow: 12,
  lookAgainMs: 15_000,
};
