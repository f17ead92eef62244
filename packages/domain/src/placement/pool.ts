import type { PlacementDecision } from './decision.ts';
import type { DemandClock } from './demand.ts';
import { FIRST_GUESS, learnPool, learnRun, type PoolEstimate, runAt } from './estimates.ts';
import { explain } from './explain.ts';
import { HostTable } from './host-table.ts';
import type { LearnedPool, LearnedRepo } from './learned.ts';
import { type Assignment, Pass } from './pass.ts';
import type { PoolHost, Running } from './pool-host.ts';
import { PoolRepo, warmthFor } from './pool-repo.ts';
import type { PoolState } from './pool-state.ts';
import { Saturation } from './saturation.ts';
import { DEFAULT_PLACEMENT, type PlacementSettings } from './settings.ts';
import { TeamShares } from './team-shares.ts';
import { type Waiting, WaitingList } from './waiting-list.ts';
import type { AttemptOutcome, HeldCache, HostAttempt, HostView, PendingBuild } from './words.ts';

export interface Decisions {
  readonly assignments: readonly Assignment[];
  /** When to decide again though nothing may have happened, ms since the epoch; undefined where that would change nothing. */
  readonly lookAgainAt: number | undefined;
}

export interface DecideOptions {
  /** Whether each assignment comes with its reasons. */
  readonly explained?: boolean;
}

/** What a repo's most recent copy weighs in the horizon that its eviction teaches. */
const HORIZON_WEIGHT = 0.1;
/** Less of a repo's cache is as good as none. */
const LEAST_WARMTH = 0.05;
/** Too short a watch tells nothing of demand, ms. */
const LEAST_WATCHED_MS = 600_000;

/**
 * What placement knows of the pool, kept current by events, and the decisions that follow from it. Everything is a function of the
 * events so far and of the `now` that each names (ms since the epoch, never going back): no clock, no I/O, no randomness.
 */
export class PlacementPool implements PoolState {
  readonly settings: PlacementSettings;
  readonly hosts = new HostTable();
  readonly waiting = new WaitingList();
  readonly teams: TeamShares;
  estimate: PoolEstimate = FIRST_GUESS;
  readonly #repos = new Map<string, PoolRepo>();
  readonly #runningOn = new Map<string, PoolHost>();
  readonly #saturation: Saturation;
  /** How long ago the last copies that disks gave up were used: what comes back within that time is worth keeping. */
  #horizonMs: number;
  #watchedSince: number | undefined;
  #pass: Pass | undefined;
  /** Something has changed beside arrivals: what was decided for those who wait no longer holds. */
  #stale = true;
  #arrived: Waiting[] = [];

  constructor(settings: PlacementSettings = DEFAULT_PLACEMENT) {
    this.settings = settings;
    this.teams = new TeamShares(settings.fairnessMemoryMs);
    this.#saturation = new Saturation(settings.saturationMs);
    this.#horizonMs = settings.horizonMs.initial;
  }

  get saturation(): number {
    return this.#saturation.share;
  }

  demandClock(now: number): DemandClock {
    const horizonMs = this.#horizonMs;
    const watchedMs = Math.max(LEAST_WATCHED_MS, now - (this.#watchedSince ?? now));
    return { now, horizonMs, memoryMs: this.settings.demandHorizons * horizonMs, watchedMs };
  }

  /**
   * A build waits: for the first time, or again after a lost attempt. Only the first time counts as demand; `isNew` false: it was told
   * of before, and had left only because it had to wait for something else than a host.
   */
  buildQueued(build: PendingBuild, now: number, isNew = true): void {
    this.#advance(now);
    this.#leave(build.id);
    const repo = this.#repo(build.repo);
    if (isNew && build.lostOn.length === 0) repo.demand.arrived(build.createdAt, this.demandClock(now).memoryMs);
    repo.refresh(this.estimate);
    this.#arrived.push(this.waiting.add(build, repo));
  }

  /** A build waits no longer: canceled, or gone otherwise. */
  buildLeft(id: string, now: number): void {
    this.#advance(now);
    this.#leave(id);
  }

  /** A host is there, or has changed. What it runs and caches stays as it was told. */
  hostUp(view: HostView, now: number): void {
    this.#advance(now);
    this.hosts.up(view);
    // Those that have come since the last pass are in no group any more; the next one is a whole one.
    if (this.waiting.tellApart(this.hosts.tellsApart)) this.#arrived = [];
    this.#stale = true;
  }

  /** A host is gone, with all that it ran and cached. */
  hostGone(name: string, now: number): void {
    this.#advance(now);
    const host = this.hosts.get(name);
    if (!host) return;
    for (const running of host.running.values()) this.#stopped(running);
    this.hosts.remove(host);
    this.#stale = true;
  }

  /** An attempt has its slots. One that the last decisions led to changes nothing that they rest on. */
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
    this.#began({ build, repo, host, team, weight, startedAt, warmth, cacheVersion, expectedMs, spread });
    this.hosts.use(host, weight);
    this.hosts.touch(host, repo, now);
    this.teams.charge(team, expectedMs * weight, now);
  }

  /** What the host turned out to hold for an attempt under way, where that is known better than from its caches. */
  warmthSeen(build: string, warmth: number): void {
    const running = this.#runningOn.get(build)?.running.get(build);
    if (!running || running.warmth === warmth) return;
    const { repo } = running;
    repo.running.delete(running);
    this.#began({ ...running, warmth, expectedMs: runAt(repo.runs, warmth), spread: repo.spreadAt(warmth) });
    this.#stale = true;
  }

  /** An attempt has given its slots back. Answers the repo whose estimates it has changed. */
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
    if (outcome.keepsCache) {
      const bytes = repo.estimate.bytes ?? this.estimate.bytes;
      this.hosts.hold(host, repo, { warmth: 1, bytes, lastUsedAt: now, version: cacheVersion });
    }
    return outcome.runMs === undefined && outcome.bytes === undefined ? undefined : repo.name;
  }

  /** What a host is believed to hold, by repo, the least recently used first. */
  cachesOf(name: string): ReadonlyMap<string, HeldCache> {
    const caches = this.hosts.get(name)?.caches.values() ?? [];
    return new Map(
      [...caches].map(({ repo, warmth, bytes, lastUsedAt, version }) => [
        repo.name,
        { warmth, bytes, lastUsedAt, version },
      ]),
    );
  }

  /** A host's whole inventory, by repo. What is left of a cache when nearly all of it was evicted is no cache. */
  cachesReported(name: string, reported: ReadonlyMap<string, HeldCache>, now: number): void {
    const host = this.hosts.get(name);
    if (!host) return;
    const caches = new Map([...reported].filter(([, { warmth }]) => warmth >= LEAST_WARMTH));
    for (const { repo } of [...host.caches.values()]) if (!caches.has(repo.name)) this.cacheGone(name, repo.name, now);
    const byUse = [...caches].sort(([, a], [, b]) => a.lastUsedAt - b.lastUsedAt);
    for (const [repo, cache] of byUse) this.cacheReported(name, repo, cache);
  }

  /** A host holds a repo's cache; it counts as used last of all that the host holds. */
  cacheReported(name: string, repoName: string, held: HeldCache): void {
    const host = this.hosts.get(name);
    if (!host) return;
    this.hosts.hold(host, this.#repo(repoName), held);
    this.#stale = true;
  }

  /** A host no longer holds a repo's cache. The last copies to go tell how long caches are kept. */
  cacheGone(name: string, repoName: string, now: number): void {
    const host = this.hosts.get(name);
    const repo = this.#repos.get(repoName);
    const cache = host && repo && host.caches.get(repo);
    if (!cache) return;
    this.hosts.drop(host, cache);
    this.#stale = true;
    if (repo.holders.size > 0) return;
    const { least, most } = this.settings.horizonMs;
    const idle = Math.min(most, Math.max(least, now - cache.lastUsedAt));
    this.#horizonMs += HORIZON_WEIGHT * (idle - this.#horizonMs);
  }

  /** Who goes where now. The pool changes only by what the caller then tells it has happened. */
  decide(now: number, { explained = false }: DecideOptions = {}): Decisions {
    this.#advance(now);
    const arrived = this.#arrived;
    this.#arrived = [];
    if (this.waiting.size === 0) return { assignments: [], lookAgainAt: undefined };
    let pass = this.#pass;
    // Who left meanwhile has outdated the pass.
    if (!this.#stale && pass?.confirmed && now - pass.now < this.settings.lookAgainMs) {
      pass.extend(arrived);
    } else {
      pass = new Pass(this, now, explained);
      pass.run();
      this.#pass = pass;
      this.#stale = false;
    }
    const assignments = pass.takeAssignments();
    // Only a build that waits although there is room may be decided otherwise by time alone.
    return { assignments, lookAgainAt: pass.waitsBesideRoom ? pass.now + this.settings.lookAgainMs : undefined };
  }

  /** Why a build waits, as of the last decisions; undefined where it doesn't wait. */
  explain(build: string, now: number): PlacementDecision | undefined {
    const waiting = this.waiting.get(build);
    if (!waiting) return undefined;
    const pass = this.#pass ?? new Pass(this, now, true);
    return explain(pass, waiting.group, waiting.build, pass.chosenFor(waiting.group, waiting.build));
  }

  /** What was learned of a repo, to be kept; undefined where nothing is known of it. */
  learnedRepo(name: string): LearnedRepo | undefined {
    const repo = this.#repos.get(name);
    return repo && { estimate: repo.estimate, demand: repo.demand.state };
  }

  get learned(): LearnedPool {
    return { estimate: this.estimate, horizonMs: this.#horizonMs, watchedSince: this.#watchedSince ?? 0 };
  }

  /** Takes up what was kept, as when a new leader begins; before anything else is told. */
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
    this.#saturation.advance(now, this.hosts.freeSlots === 0);
  }

  #leave(id: string): void {
    if (this.waiting.remove(id)) this.#stale = true;
  }

  #began(running: Running): void {
    running.host.running.set(running.build, running);
    running.repo.running.add(running);
    this.#runningOn.set(running.build, running.host);
  }

  #stopped(running: Running): void {
    running.host.running.delete(running.build);
    running.repo.running.delete(running);
    this.#runningOn.delete(running.build);
  }

  #endRun(build: string): Running | undefined {
    const running = this.#runningOn.get(build)?.running.get(build);
    if (!running) return undefined;
    this.#stopped(running);
    this.hosts.use(running.host, -running.weight);
    this.#stale = true;
    return running;
  }
}
