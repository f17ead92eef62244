import type { DemandClock } from './estimates/demand.ts';
import { FIRST_GUESS, learnPool, learnRun, type PoolEstimate, runAt } from './estimates/estimates.ts';
import type { LearnedPool, LearnedRepo } from './estimates/learned.ts';
import { KNOWN_SPREAD } from './estimates/residual.ts';
import { TeamShares } from './estimates/team-shares.ts';
import { explain } from './explain/explain.ts';
import type { PlacementDecision } from './model/decision.ts';
import type { AttemptOutcome, ComingSeed, HeldCache, HostAttempt, HostView, PendingBuild } from './model/model.ts';
import { DEFAULT_PLACEMENT, type PlacementSettings } from './model/settings.ts';
import { warmthFor } from './model/warmth-for.ts';
import { type Assignment, Pass } from './pass/pass.ts';
import { HostTable } from './pool/host-table.ts';
import type { Running } from './pool/pool-host.ts';
import { PoolRepo } from './pool/pool-repo.ts';
import type { PoolState } from './pool/pool-state.ts';
import { type Waiting, WaitingList } from './pool/waiting-list.ts';
import { type SeedConditions, SeedPlanner, type SeedWish } from './seeding/seed-planner.ts';

export interface Decisions {
  readonly assignments: readonly Assignment[];
  /** When to decide again even if nothing has happened, ms since the epoch; undefined if time alone changes nothing. */
  readonly lookAgainAt: number | undefined;
}

export interface DecideOptions {
  /** Whether each assignment carries its reasons. */
  readonly explained?: boolean;
}

/** Weight of the latest eviction in the horizon. */
const HORIZON_WEIGHT = 0.1;
/** A cache with less warmth counts as gone. */
const LEAST_WARMTH = 0.05;
/** Least time over which demand is taken to have been counted, ms. */
const LEAST_WATCHED_MS = 600_000;

/**
 * The state of the pool, kept current by events, and the placement decisions that follow from it. Everything is a function of the
 * events so far and of their `now` (ms since the epoch, never decreasing): no clock, no I/O, no randomness.
 */
export class PlacementPool implements PoolState {
  readonly settings: PlacementSettings;
  readonly hosts = new HostTable();
  readonly waiting = new WaitingList(this.hosts);
  readonly teams: TeamShares;
  estimate: PoolEstimate = FIRST_GUESS;
  readonly #repos = new Map<string, PoolRepo>();
  /** How long caches are kept unused: the idle age at which last copies were evicted. A repo built again within it is worth keeping. */
  #horizonMs: number;
  #watchedSince: number | undefined;
  #pass: Pass | undefined;
  /** Whether anything but arrivals has happened since the last pass, so that its decisions no longer hold. */
  #stale = true;
  #arrived: Waiting[] = [];

  constructor(settings: PlacementSettings = DEFAULT_PLACEMENT) {
    this.settings = settings;
    this.teams = new TeamShares(settings.fairnessMemoryMs);
    this.#horizonMs = settings.horizonMs.initial;
  }

  demandClock(now: number): DemandClock {
    const horizonMs = this.#horizonMs;
    const watchedMs = Math.max(LEAST_WATCHED_MS, now - (this.#watchedSince ?? now));
    return { now, horizonMs, memoryMs: this.settings.demandHorizons * horizonMs, watchedMs };
  }

  /**
   * Adds a waiting build: a new one, or one whose attempt was lost. Only a new one counts as demand. `isNew`: false if the build had been
   * added before and was taken out only because it had to wait for something other than a host.
   */
  buildQueued(build: PendingBuild, now: number, isNew = true): void {
    this.#advance(now);
    this.#leave(build.id);
    const repo = this.#repo(build.repo);
    if (isNew && build.lostOn.length === 0) repo.demand.arrived(build.createdAt, this.demandClock(now).memoryMs);
    repo.refresh(this.estimate);
    repo.lastBuild = build;
    this.#arrived.push(this.waiting.add(build, repo));
  }

  /** Removes a waiting build, for example a canceled one. */
  buildLeft(id: string, now: number): void {
    this.#advance(now);
    this.#leave(id);
  }

  /** Adds a host, or updates its view. What it runs and caches is kept. */
  hostUp(view: HostView, now: number): void {
    this.#advance(now);
    this.hosts.up(view);
    // Regrouping invalidates the arrivals since the last pass; the next pass is a new one anyway.
    if (this.waiting.tellApart(this.hosts.tellsApart)) this.#arrived = [];
    this.#stale = true;
  }

  /** Removes a host with all that it ran and cached. */
  hostGone(name: string, now: number): void {
    this.#advance(now);
    const host = this.hosts.get(name);
    if (!host) return;
    this.hosts.remove(host);
    this.#stale = true;
  }

  /** An attempt has got its slots. If the last pass decided it, the pass remains current. */
  attemptStarted(attempt: HostAttempt, now: number): void {
    this.#advance(now);
    const { build, team, weight, startedAt, cacheVersion } = attempt;
    if (!this.#pass?.confirm(build, attempt.host)) this.#stale = true;
    this.waiting.remove(build);
    this.#endRun(build);
    const host = this.hosts.get(attempt.host);
    if (!host) return;
    const repo = this.#repo(attempt.repo);
    const cache = host.caches.get(repo);
    const warmth = attempt.warmth ?? (cache ? warmthFor(cache, cacheVersion) : 0);
    const expectedMs = runAt(repo.runs, warmth);
    const spread = repo.spreadAt(warmth);
    this.hosts.start({ build, repo, host, team, weight, startedAt, warmth, cacheVersion, expectedMs, spread });
    this.hosts.touch(host, repo, now);
    this.teams.charge(team, expectedMs * weight, now);
  }

  /** Corrects the warmth that an attempt under way found on its host. */
  warmthSeen(build: string, warmth: number): void {
    const running = this.hosts.running(build);
    if (!running || running.warmth === warmth) return;
    const { repo } = running;
    const expectedMs = runAt(repo.runs, warmth);
    this.hosts.replace(running, { ...running, warmth, expectedMs, spread: repo.spreadAt(warmth) });
    this.#stale = true;
  }

  /** An attempt has released its slots. Returns the repo whose estimates have changed, if any. */
  attemptEnded(build: string, outcome: AttemptOutcome, now: number): string | undefined {
    this.#advance(now);
    const running = this.#endRun(build);
    if (!running) return undefined;
    const { repo, host, warmth, team, weight, startedAt, expectedMs, cacheVersion } = running;
    this.teams.charge(team, (now - startedAt - expectedMs) * weight, now);
    if (outcome.bytes !== undefined) repo.estimate = { ...repo.estimate, bytes: outcome.bytes };
    if (outcome.runMs !== undefined) {
      repo.estimate = learnRun(repo.estimate, this.estimate, warmth, outcome.runMs);
      this.estimate = learnPool(this.estimate, repo.estimate, warmth, outcome.runMs);
      repo.refresh(this.estimate);
    }
    host.seeded.delete(repo);
    if (outcome.keepsCache) {
      const bytes = repo.estimate.bytes ?? this.estimate.bytes;
      const seedable = host.caches.get(repo)?.seedable;
      this.hosts.hold(host, repo, { warmth: 1, bytes, lastUsedAt: now, version: cacheVersion, seedable });
    }
    return outcome.runMs === undefined && outcome.bytes === undefined ? undefined : repo.name;
  }

  /** Returns what the host is believed to hold, by repo, least recently used first. */
  cachesOf(name: string): ReadonlyMap<string, HeldCache> {
    const caches = this.hosts.get(name)?.caches.values() ?? [];
    return new Map(
      [...caches].map(({ repo, warmth, bytes, lastUsedAt, version }) => [
        repo.name,
        { warmth, bytes, lastUsedAt, version },
      ]),
    );
  }

  /** Replaces what a host holds by its inventory, by repo. A cache of which nearly everything was evicted counts as gone. */
  cachesReported(name: string, reported: ReadonlyMap<string, HeldCache>, now: number): void {
    const host = this.hosts.get(name);
    if (!host) return;
    const caches = new Map([...reported].filter(([, { warmth }]) => warmth >= LEAST_WARMTH));
    for (const { repo } of [...host.caches.values()]) if (!caches.has(repo.name)) this.cacheGone(name, repo.name, now);
    const byUse = [...caches].sort(([, a], [, b]) => a.lastUsedAt - b.lastUsedAt);
    for (const [repo, cache] of byUse) this.cacheReported(name, repo, cache);
  }

  /** Adds or updates one cache of a host. It counts as the most recently used one there. */
  cacheReported(name: string, repoName: string, held: HeldCache): void {
    const host = this.hosts.get(name);
    if (!host) return;
    this.hosts.hold(host, this.#repo(repoName), held);
    this.#stale = true;
  }

  /** Removes one cache of a host. If it was the last copy, its idle age teaches how long caches are kept. */
  cacheGone(name: string, repoName: string, now: number): void {
    const host = this.hosts.get(name);
    const repo = this.#repos.get(repoName);
    const cache = host && repo && host.caches.get(repo);
    if (!cache) return;
    this.hosts.drop(host, cache);
    this.#stale = true;
    if (this.hosts.holders(repo).size > 0) return;
    const { least, most } = this.settings.horizonMs;
    const idle = Math.min(most, Math.max(least, now - cache.lastUsedAt));
    this.#horizonMs += HORIZON_WEIGHT * (idle - this.#horizonMs);
  }

  /** A copy of a repo's caches is on its way to a host. Builds may wait for it. */
  seedStarted({ repo: name, host: to, from, startedAt, expectedMs, warmth, bytes }: ComingSeed, now: number): void {
    this.#advance(now);
    const host = this.hosts.get(to);
    if (!host) return;
    const repo = this.#repo(name);
    const version = this.hosts.get(from)?.caches.get(repo)?.version;
    const spread = KNOWN_SPREAD;
    this.hosts.startSeed({ repo, host, from, startedAt, expectedMs, spread, warmth, bytes, version });
    this.#stale = true;
  }

  /** Whether a copy of the repo's caches is on its way to the host, as placement was told. */
  isSeeding(name: string, to: string): boolean {
    const repo = this.#repos.get(name);
    return repo !== undefined && this.hosts.get(to)?.seeds.has(repo) === true;
  }

  /** A seed has ended. If it arrived, the host counts as holding the copy until its next inventory says what it really holds. */
  seedEnded(name: string, to: string, arrived: boolean, now: number): void {
    const host = this.hosts.get(to);
    const repo = this.#repos.get(name);
    const seeding = host && repo && this.hosts.endSeed(host, repo);
    if (!seeding) return;
    this.#stale = true;
    if (!arrived) return;
    const { from, warmth, bytes, version } = seeding;
    host.seeded.set(repo, { from, readyAt: now });
    if ((host.caches.get(repo)?.warmth ?? 0) >= warmth) return;
    this.hosts.hold(host, repo, { warmth, bytes, lastUsedAt: now, version, seedable: { warmth, bytes } });
  }

  /** Returns the repo if it is known. */
  findRepo(name: string): PoolRepo | undefined {
    return this.#repos.get(name);
  }

  /** Returns the seed that is worth it for a waiting build that is about to start cold on the host. */
  seedFor(id: string, to: string, now: number, conditions: SeedConditions): SeedWish | undefined {
    const host = this.hosts.get(to);
    const waiting = this.waiting.get(id);
    return host && waiting && new SeedPlanner(this, now, conditions).forBuild(waiting.build, host);
  }

  /** Returns at most so many seeds that are worth it although no build waits for them: of what only drained or cordoned hosts have. */
  seedsAhead(now: number, conditions: SeedConditions, most: number): SeedWish[] {
    return new SeedPlanner(this, now, conditions).moving(most);
  }

  /** Returns the hosts that have yet to give caches away by `seedsAhead`. @param conditions as there, but without regard to transfers under way */
  hostsOwingSeeds(now: number, conditions: SeedConditions): Set<string> {
    return new SeedPlanner(this, now, conditions).owing();
  }

  /** Decides which builds start where now. The pool itself changes only by the events that the caller reports afterwards. */
  decide(now: number, { explained = false }: DecideOptions = {}): Decisions {
    this.#advance(now);
    const arrived = this.#arrived;
    this.#arrived = [];
    if (this.waiting.size === 0) return { assignments: [], lookAgainAt: undefined };
    let pass = this.#pass;
    // A build that has left in the meantime has set #stale.
    if (!this.#stale && pass?.confirmed && now - pass.now < this.settings.lookAgainMs) {
      pass.extend(arrived);
    } else {
      pass = new Pass(this, now, explained ? explain : undefined);
      pass.run();
      this.#pass = pass;
      this.#stale = false;
    }
    const assignments = pass.takeAssignments();
    // Only for a build that waits beside free room may the decision change with time alone.
    return { assignments, lookAgainAt: pass.waitsBesideRoom ? pass.now + this.settings.lookAgainMs : undefined };
  }

  /** Returns the waiting builds that no host takes at present, whatever its load. */
  unplaceable(): PendingBuild[] {
    const groups = [...this.waiting.groups].filter(({ hosts }) => hosts.fitting(this.hosts).size === 0);
    return groups.flatMap(({ builds }) => builds);
  }

  /** Explains why a build waits, as of the last decisions; undefined if it doesn't wait. */
  explain(build: string, now: number): PlacementDecision | undefined {
    const waiting = this.waiting.get(build);
    if (!waiting) return undefined;
    const pass = this.#pass ?? new Pass(this, now);
    return explain(pass, waiting.group, waiting.build, pass.chosenFor(waiting.group, waiting.build));
  }

  /** Returns what was learned of a repo, to be stored; undefined if the repo is unknown. */
  learnedRepo(name: string): LearnedRepo | undefined {
    const repo = this.#repos.get(name);
    return repo && { estimate: repo.estimate, demand: repo.demand.state };
  }

  get learned(): LearnedPool {
    return { estimate: this.estimate, horizonMs: this.#horizonMs, watchedSince: this.#watchedSince ?? 0 };
  }

  /** Restores what an earlier leader learned. Must be called before any event is reported. */
  restore({ estimate, horizonMs, watchedSince }: LearnedPool, repos: Iterable<readonly [string, LearnedRepo]>): void {
    this.estimate = estimate;
    this.#horizonMs = horizonMs;
    this.#watchedSince = watchedSince;
    for (const [name, learned] of repos) {
      const repo = this.#repo(name);
      repo.estimate = learned.estimate;
      repo.demand.restore(learned.demand);
      repo.refresh(estimate);
    }
  }

  #repo(name: string): PoolRepo {
    let repo = this.#repos.get(name);
    if (!repo) {
      repo = new PoolRepo(name, this.estimate);
      this.#repos.set(name, repo);
    }
    return repo;
  }

  #advance(now: number): void {
    this.#watchedSince ??= now;
  }

  #leave(id: string): void {
    if (this.waiting.remove(id)) this.#stale = true;
  }

  #endRun(build: string): Running | undefined {
    const running = this.hosts.running(build);
    if (!running) return undefined;
    this.hosts.end(running);
    this.#stale = true;
    return running;
  }
}
