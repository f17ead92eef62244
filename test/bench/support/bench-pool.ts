import { type Assignment, type PendingBuild, PlacementPool, PRIORITIES } from '@kiln/domain';
import { Random, weightedIndex } from '../../simulate/trace/random.ts';

export interface BenchPoolSpec {
  readonly hosts: number;
  readonly pending: number;
  /** Share of free slots, 0 to 1. */
  readonly free: number;
  readonly seed: number;
}

const SLOTS = 4;
const CACHES_A_HOST = 20;
const TEAMS = 8;
const START = 1_800_000_000_000;

/** A pool in placement's memory: hosts with caches and running builds, and a queue of builds of many repos, teams and priorities. */
export class BenchPool {
  readonly pool = new PlacementPool();
  readonly #random: Random;
  readonly #cumulative: number[] = [];
  readonly #pending = new Map<string, PendingBuild>();
  readonly #running: string[] = [];
  #now = START;
  #builds = 0;

  constructor({ hosts, pending, free, seed }: BenchPoolSpec) {
    this.#random = new Random(seed, 'bench');
    const repos = Math.max(50, 2 * hosts);
    for (let k = 0, sum = 0; k < repos; k++) {
      sum += 1 / (k + 1);
      this.#cumulative.push(sum);
    }
    for (let i = 0; i < hosts; i++) this.#addHost(`h${i}`);
    const busy = Math.round(hosts * SLOTS * (1 - free));
    for (let i = 0; i < busy; i++) this.#run(`h${i % hosts}`);
    for (let i = 0; i < pending; i++) this.arrive();
  }

  arrive(): void {
    const id = `b${++this.#builds}`;
    const build: PendingBuild = {
      id,
      repo: this.#repo(),
      team: `team-${this.#random.integer(1, TEAMS)}`,
      priority: this.#random.pick(PRIORITIES),
      queuedAt: this.#now,
      createdAt: this.#now,
      weight: this.#random.next() < 0.05 ? 2 : 1,
      platforms: ['linux/amd64'],
      hostLabels: {},
      trust: 'trusted',
      lostOn: [],
    };
    this.#now += 5;
    this.#pending.set(id, build);
    this.pool.buildQueued(build, this.#now);
  }

  /** Ends a random running build, which leaves its cache. */
  finish(): void {
    const at = this.#random.integer(0, this.#running.length - 1);
    const [id] = this.#running.splice(at, 1);
    this.#now += 5;
    if (id) this.pool.attemptEnded(id, { runMs: 60_000, keepsCache: true }, this.#now);
  }

  decide(explained = false): readonly Assignment[] {
    return this.pool.decide(this.#now, { explained }).assignments;
  }

  /** Reports to the pool that the assignments were carried out. */
  start(assignments: readonly Assignment[]): void {
    for (const { build: id, host } of assignments) {
      const build = this.#pending.get(id);
      if (!build) continue;
      this.#pending.delete(id);
      this.#running.push(id);
      const { repo, team, weight } = build;
      this.pool.attemptStarted({ build: id, host, repo, team, weight, startedAt: this.#now }, this.#now);
    }
  }

  #repo(): string {
    return `repo-${weightedIndex(this.#random, this.#cumulative)}`;
  }

  #addHost(name: string): void {
    const view = {
      name,
      slots: SLOTS,
      platforms: ['linux/amd64'],
      labels: {},
      trust: ['trusted'] as const,
      cordoned: false,
      draining: false,
      cacheBudgetBytes: CACHES_A_HOST * 1e9,
    };
    this.pool.hostUp(view, this.#now);
    for (let i = 0; i < CACHES_A_HOST; i++) {
      const lastUsedAt = this.#now - this.#random.integer(0, 36_000_000);
      this.pool.cacheReported(name, this.#repo(), { warmth: this.#random.between(0.5, 1), bytes: 1e9, lastUsedAt });
    }
  }

  #run(host: string): void {
    const id = `r${this.#running.length}`;
    const startedAt = this.#now - this.#random.integer(0, 120_000);
    this.pool.attemptStarted({ build: id, host, repo: this.#repo(), team: 'team-1', weight: 1, startedAt }, this.#now);
    this.#running.push(id);
  }
}
