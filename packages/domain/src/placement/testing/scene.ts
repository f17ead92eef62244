import type { DurationTrack } from '../estimates/duration-track.ts';
import { FIRST_GUESS, type PoolEstimate } from '../estimates/estimates.ts';
import type { LearnedRepo } from '../estimates/learned.ts';
import type { PlacementDecision } from '../model/decision.ts';
import type { AttemptOutcome, ComingSeed, HeldCache, HostView, PendingBuild } from '../model/model.ts';
import { DEFAULT_PLACEMENT, type PlacementSettings } from '../model/settings.ts';
import { PlacementPool } from '../placement-pool.ts';

/** When scenes begin, ms since the epoch. */
export const START = 1_800_000_000_000;
const S = 1_000;
const HOUR = 3_600 * S;

/** What is known of a repo when the scene begins. Runs in seconds; `hourly`: builds per hour so far. */
export interface KnownRepo {
  readonly warm?: number;
  readonly stale?: number;
  readonly cold?: number;
  readonly bytes?: number;
  readonly hourly?: number;
}

interface SceneSpec {
  readonly repos?: Readonly<Record<string, KnownRepo>>;
  readonly pool?: Partial<PoolEstimate>;
  readonly settings?: Partial<PlacementSettings>;
}

/** A pool on a clock that the test moves. Unspecified properties of builds and hosts are ordinary. Times in seconds from the start. */
export class Scene {
  readonly pool: PlacementPool;
  readonly #builds = new Map<string, PendingBuild>();
  #now = START;

  constructor({ repos = {}, pool = {}, settings = {} }: SceneSpec = {}) {
    this.pool = new PlacementPool({ ...DEFAULT_PLACEMENT, ...settings });
    const horizonMs = this.pool.settings.horizonMs.initial;
    const memoryMs = horizonMs * this.pool.settings.demandHorizons;
    const learned = Object.entries(repos).map(([name, { bytes, hourly = 0, ...runs }]): [string, LearnedRepo] => {
      const estimate = Object.fromEntries(Object.entries(runs).map(([point, seconds]) => [point, track(seconds * S)]));
      return [name, { estimate: { ...estimate, bytes }, demand: { value: (hourly * memoryMs) / HOUR, at: START } }];
    });
    this.pool.restore({ estimate: { ...FIRST_GUESS, ...pool }, horizonMs, watchedSince: START - 100 * HOUR }, learned);
  }

  /** ms since the epoch. */
  get now(): number {
    return this.#now;
  }

  /** Moves the clock. */
  after(seconds: number): this {
    this.#now += seconds * S;
    return this;
  }

  /** Adds a host. `holds`: the repos whose caches it has, with their warmth or more, least recently used first. */
  host(
    name: string,
    view: Partial<HostView> = {},
    holds: Readonly<Record<string, number | Partial<HeldCache>>> = {},
  ): this {
    this.pool.hostUp({ ...ORDINARY_HOST, name, ...view }, this.#now);
    for (const [repo, held] of Object.entries(holds)) this.holds(name, repo, held);
    return this;
  }

  holds(host: string, repo: string, held: number | Partial<HeldCache> = 1): this {
    const cache = typeof held === 'number' ? { warmth: held } : held;
    this.pool.cacheReported(host, repo, { warmth: 1, bytes: 1, lastUsedAt: this.#now, ...cache });
    return this;
  }

  /** A copy of the repo's cache is on its way to the host, for `seconds` more. */
  seed(repo: string, host: string, seconds: number, more: Partial<ComingSeed> = {}): this {
    const seed = { repo, host, from: 'warm', startedAt: this.#now, expectedMs: seconds * S, warmth: 0.75, bytes: 1 };
    this.pool.seedStarted({ ...seed, ...more }, this.#now);
    return this;
  }

  /** Queues a build. `age`: how many seconds ago it was submitted. */
  submit(id: string, { age = 0, ...more }: Partial<PendingBuild> & { readonly age?: number } = {}): this {
    const at = this.#now - age * S;
    const build = { ...ORDINARY_BUILD, id, queuedAt: at, createdAt: at, ...more };
    this.#builds.set(id, build);
    this.pool.buildQueued(build, this.#now);
    return this;
  }

  /** Starts the build on the host, whatever would be decided. `ago`: how many seconds ago it started. */
  run(id: string, host: string, { ago = 0, ...more }: Partial<PendingBuild> & { readonly ago?: number } = {}): this {
    const { repo, team, weight, cacheVersion } = { ...ORDINARY_BUILD, ...this.#builds.get(id), ...more };
    const startedAt = this.#now - ago * S;
    this.pool.attemptStarted({ build: id, host, repo, team, weight, startedAt, cacheVersion }, this.#now);
    return this;
  }

  /** Ends the build's attempt with success after `ran` seconds; it leaves its cache. */
  end(id: string, ran: number, outcome: Partial<AttemptOutcome> = {}): this {
    this.pool.attemptEnded(id, { runMs: ran * S, keepsCache: true, ...outcome }, this.#now);
    return this;
  }

  /** Decides, starts the assigned builds, and returns the host of each. */
  place(): Record<string, string> {
    const { assignments } = this.pool.decide(this.#now);
    for (const { build, host } of assignments) this.run(build, host);
    return Object.fromEntries(assignments.map(({ build, host }) => [build, host]));
  }

  /** Decides with reasons, starts nothing, and returns the decision for this build. */
  why(id: string): PlacementDecision {
    const { assignments } = this.pool.decide(this.#now, { explained: true });
    const decision = assignments.find(({ build }) => build === id)?.decision ?? this.pool.explain(id, this.#now);
    if (!decision) throw new Error(`${id} doesn't wait`);
    return decision;
  }
}

const ORDINARY_HOST = {
  slots: 1,
  platforms: ['linux/amd64'],
  labels: {},
  trust: ['trusted'],
  cordoned: false,
  draining: false,
} as const;

const ORDINARY_BUILD = {
  repo: 'app',
  team: 'default',
  priority: 'normal',
  weight: 1,
  platforms: [],
  hostLabels: {},
  trust: 'trusted',
  lostOn: [],
} as const;

function track(mean: number): DurationTrack {
  return { mean, samples: 20, drift: 0, spread: 0 };
}
