import { FIRST_GUESS, learnPool, learnRun, type PoolEstimate, type RepoEstimate, runAt } from './estimates.ts';
import { HostClass } from './host-class.ts';
import { Pass, type Assignment } from './pass.ts';
import { PendingGroup } from './pending-group.ts';
import { type Cache, PoolHost, type Running } from './pool-host.ts';
import { PoolRepo, warmthFor } from './pool-repo.ts';
import { requirementsKey } from './requirements.ts';
import { DEFAULT_PLACEMENT, type PlacementSettings } from './settings.ts';
import { TeamShares } from './team-shares.ts';
import type { AttemptOutcome, HeldCache, HostAttempt, HostView, PendingBuild } from './words.ts';

export interface Decisions {
  readonly assignments: readonly Assignment[];
  /** When to decide again though nothing may have happened, ms since the epoch; undefined where that would change nothing. */
  readonly lookAgainAt: number | undefined;
}

interface Waiting {
  readonly build: PendingBuild;
  readonly group: PendingGroup;
  /** The pool's room clock when it began to wait. */
  readonly room: number;
}

/**
 * What placement knows of the pool, kept current by events, and the decisions that follow from it. Everything is a function of
 * the events so far and of the `now` that each names (ms since the epoch, never going back): no clock, no I/O, no randomness.
 */
export class PlacementPool {
  readonly settings: PlacementSettings;
  readonly hosts = new Map<string, PoolHost>();
  readonly repos = new Map<string, PoolRepo>();
  readonly groups = new Map<string, PendingGroup>();
  readonly teams: TeamShares;
  /** Open hosts that have a slot free. */
  readonly freeHosts = new Set<PoolHost>();
  estimate: PoolEstimate = FIRST_GUESS;
  /** How long ago the last copies that disks gave up were used: what comes back within that time is worth keeping. */
  horizonMs: number;
  queuedSlots = 0;
  openSlots = 0;
  freeSlots = 0;
  hostRevision = 0;
  readonly #classes = new Map<string, HostClass>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #runningOn = new Map<string, PoolHost>();
  #joined = 0;
  #pass: Pass | undefined;
  /** Something has changed beside arrivals: what was decided for those who wait no longer holds. */
  #stale = true;
  #arrived: Waiting[] = [];

  constructor(settings: PlacementSettings = DEFAULT_PLACEMENT) {
    this.settings = settings;
    PoolRepo.began = Number.NaN;
    PoolRepo.on = settings.unbias > 0;
    this.horizonMs = settings.horizonMs;
    this.teams = new TeamShares(settings.fairnessMemoryMs);
  }

  get pendingCount(): number {
    return this.#waiting.size;
  }

  /**
   * Runs while the pool has room, and the slower the more builds share it: what passes on it while a build waits is what the build
   * waited for its cache's sake.
   */
  #room = 0;
  utilization = 0;
  saturation = 0;
  #roomAt: number | undefined;

  #advance(now: number): void {
    const share = Math.min(1, this.freeSlots / Math.max(1, this.queuedSlots));
    if (this.#roomAt !== undefined && now > this.#roomAt) {
      const f2 = Math.exp(-(now - this.#roomAt) / this.settings.satMs);
      const sat = this.freeSlots === 0 ? 1 : 0;
      this.saturation = sat + f2 * (this.saturation - sat);
      const fade = Math.exp(-(now - this.#roomAt) / this.settings.utilMs);
      const used = this.openSlots === 0 ? 0 : 1 - this.freeSlots / this.openSlots;
      this.utilization = used + fade * (this.utilization - used);
    }
    if (this.#roomAt !== undefined && now > this.#roomAt) this.#room += (now - this.#roomAt) * share;
    this.#roomAt = now;
  }

  /** What the repo's builds waited for its caches' sake, lately and now, ms. */
  patience(repo: PoolRepo, now: number): number {
    this.#advance(now);
    return repo.patience.at(now, this.horizonMs) + repo.waiting * this.#room - repo.waitingSince;
  }

  /** A build waits: for the first time, or again after a lost attempt. Only the first time counts as demand. */
  buildQueued(build: PendingBuild, now: number): void {
    this.#advance(now);
    this.buildLeft(build.id);
    const repo = this.repo(build.repo);
    if (build.lostOn.length === 0) repo.arrivals.add(1, now, this.horizonMs * this.settings.memory);
    repo.refresh(this.estimate);
    const group = this.#group(build, repo);
    group.add(build);
    const waiting = { build, group, room: this.#room };
    repo.waiting++;
    repo.waitingSince += this.#room;
    this.#waiting.set(build.id, waiting);
    this.#wants(repo, build.weight);
    this.#arrived.push(waiting);
  }

  /** A build waits no longer: canceled, or gone otherwise. */
  buildLeft(id: string): void {
    if (this.#remove(id)) this.#stale = true;
  }

  /** A host is there, or has changed. What it runs and caches stays as it was told. */
  hostUp(view: HostView): void {
    const known = this.hosts.get(view.name);
    const host = known ?? new PoolHost(view, this.#joined++);
    if (known) this.#uncount(known);
    host.view = view;
    this.hosts.set(view.name, host);
    this.#count(host);
    this.hostRevision++;
    this.#stale = true;
  }

  /** A host is gone, with all that it ran and cached. */
  hostGone(name: string): void {
    const host = this.hosts.get(name);
    if (!host) return;
    this.#uncount(host);
    this.hosts.delete(name);
    for (const running of host.running.values()) {
      running.repo.running.delete(running);
      this.#runningOn.delete(running.build);
    }
    for (const cache of host.caches.values()) cache.repo.holders.delete(host);
    this.freeHosts.delete(host);
    this.hostRevision++;
    this.#stale = true;
  }

  /** An attempt has its slots. One that the last decisions led to changes nothing that they rest on. */
  attemptStarted(attempt: HostAttempt, now: number): void {
    this.#advance(now);
    const host = this.hosts.get(attempt.host);
    if (!this.#pass?.confirm(attempt.build, attempt.host)) this.#stale = true;
    const repo = this.repo(attempt.repo);
    const waited = this.#waiting.get(attempt.build);
    if (waited) repo.patience.add(this.#room - waited.room, now, this.horizonMs);
    this.#remove(attempt.build);
    if (!host) return;
    this.#endRun(attempt.build);
    const cache = host.caches.get(repo);
    const warmth = attempt.warmth ?? (cache ? warmthFor(cache, attempt.cacheVersion) : 0);
    const expectedMs = runAt(repo.runs, warmth);
    if (warmth < 0.25) repo.patience.add(-Math.min(repo.patience.at(now, this.horizonMs), repo.runs.cold - repo.runs.warm), now, this.horizonMs);
    const { build, team, weight, startedAt, cacheVersion } = attempt;
    const running: Running = { build, repo, host, team, weight, startedAt, warmth, cacheVersion, expectedMs, spread: repo.spreadAt(warmth) };
    host.running.set(build, running);
    repo.running.add(running);
    this.#runningOn.set(build, host);
    this.#use(host, weight);
    this.teams.charge(team, expectedMs * weight, now);
    if (cache) this.#touch(host, cache, now);
  }

  /** What the host turned out to hold for an attempt under way, where that is known better than from its caches. */
  warmthSeen(build: string, warmth: number): void {
    const host = this.#runningOn.get(build);
    const running = host?.running.get(build);
    if (!host || !running || running.warmth === warmth) return;
    const seen: Running = { ...running, warmth, expectedMs: runAt(running.repo.runs, warmth), spread: running.repo.spreadAt(warmth) };
    host.running.set(build, seen);
    running.repo.running.delete(running);
    running.repo.running.add(seen);
    this.#stale = true;
  }

  /** An attempt has given its slots back. */
  attemptEnded(build: string, outcome: AttemptOutcome, now: number): void {
    this.#advance(now);
    const running = this.#endRun(build);
    if (!running) return;
    const { repo, host, warmth, team, weight, startedAt, expectedMs, cacheVersion } = running;
    this.teams.charge(team, (now - startedAt - expectedMs) * weight, now);
    if (outcome.bytes !== undefined) repo.estimate = { ...repo.estimate, bytes: outcome.bytes };
    if (outcome.runMs !== undefined) {
      repo.estimate = learnRun(repo.estimate, this.estimate, warmth, outcome.runMs);
      this.estimate = learnPool(this.estimate, repo.estimate, warmth, outcome.runMs);
      repo.refresh(this.estimate);
    }
    if (!outcome.keepsCache) return;
    const bytes = repo.estimate.bytes ?? this.estimate.bytes;
    this.cacheReported(host.view.name, repo.name, { warmth: 1, bytes, lastUsedAt: now, version: cacheVersion });
  }

  /** A host's whole inventory, by repo. */
  cachesReported(name: string, caches: ReadonlyMap<string, HeldCache>, now: number): void {
    const host = this.hosts.get(name);
    if (!host) return;
    for (const { repo } of [...host.caches.values()]) if (!caches.has(repo.name)) this.cacheGone(name, repo.name, now);
    const byUse = [...caches].sort(([, a], [, b]) => a.lastUsedAt - b.lastUsedAt);
    for (const [repo, cache] of byUse) this.cacheReported(name, repo, cache);
  }

  /** A host holds a repo's cache; it counts as used last of all that the host holds. */
  cacheReported(name: string, repoName: string, held: HeldCache): void {
    const host = this.hosts.get(name);
    if (!host) return;
    const repo = this.repo(repoName);
    const known = host.caches.get(repo);
    if (known) {
      host.caches.delete(repo);
      host.cachedBytes -= known.bytes;
    } else {
      host.wanted += repo.queued;
    }
    const { warmth, bytes, lastUsedAt, version } = held;
    const cache: Cache = { repo, warmth, bytes, lastUsedAt, version };
    host.caches.set(repo, cache);
    host.cachedBytes += bytes;
    repo.holders.set(host, cache);
    host.cachesChanged();
    this.#stale = true;
  }

  /** A host no longer holds a repo's cache. The last copies to go tell how long caches are kept. */
  cacheGone(name: string, repoName: string, now: number): void {
    const host = this.hosts.get(name);
    const repo = this.repos.get(repoName);
    const cache = host && repo && host.caches.get(repo);
    if (!cache) return;
    host.caches.delete(repo);
    host.cachedBytes -= cache.bytes;
    host.wanted -= repo.queued;
    repo.holders.delete(host);
    host.cachesChanged();
    this.#stale = true;
    if (repo.holders.size > 0) return;
    const { minHorizonMs, maxHorizonMs } = this.settings;
    const idle = Math.min(maxHorizonMs, Math.max(minHorizonMs, now - cache.lastUsedAt));
    this.horizonMs += 0.1 * (idle - this.horizonMs);
  }

  /** What was learned before, as when a new leader begins. */
  restore(repoName: string, estimate: RepoEstimate): void {
    const repo = this.repo(repoName);
    repo.estimate = estimate;
    repo.refresh(this.estimate);
  }

  /** Who goes where now. The pool changes only by what the caller then tells it has happened. */
  decide(now: number): Decisions {
    const { lookAgainMs } = this.settings;
    const arrived = this.#arrived;
    this.#arrived = [];
    if (this.#waiting.size === 0) return { assignments: [], lookAgainAt: undefined };
    const standing = this.#pass;
    if (!this.#stale && standing?.confirmed && now - standing.now < lookAgainMs) {
      standing.extend(arrived.filter(({ build }) => this.#waiting.has(build.id)));
      return { assignments: standing.takeAssignments(), lookAgainAt: this.#lookAgainAt(standing) };
    }
    this.#stale = false;
    const pass = new Pass(this, now);
    pass.run(this.groups.values());
    this.#pass = pass;
    return { assignments: pass.takeAssignments(), lookAgainAt: this.#lookAgainAt(pass) };
  }

  /** Only a build that waits although there is room may be decided otherwise by time alone. */
  #lookAgainAt(pass: Pass): number | undefined {
    return pass.waitsBesideRoom ? pass.now + this.settings.lookAgainMs : undefined;
  }

  fitting(hosts: HostClass): ReadonlySet<PoolHost> {
    return hosts.fitting(this.hosts, this.hostRevision);
  }

  repo(name: string): PoolRepo {
    let repo = this.repos.get(name);
    if (!repo) {
      repo = new PoolRepo(name);
      repo.refresh(this.estimate);
      this.repos.set(name, repo);
    }
    return repo;
  }

  #group(build: PendingBuild, repo: PoolRepo): PendingGroup {
    const needs = requirementsKey(build);
    const key = JSON.stringify([build.repo, build.team, build.priority, build.cacheVersion ?? null, needs]);
    let group = this.groups.get(key);
    if (!group) {
      let hosts = this.#classes.get(needs);
      if (!hosts) {
        hosts = new HostClass(needs, build);
        this.#classes.set(needs, hosts);
      }
      hosts.users++;
      group = new PendingGroup(key, repo, hosts, build);
      this.groups.set(key, group);
      repo.groups.add(group);
    }
    return group;
  }

  #remove(id: string): boolean {
    const waiting = this.#waiting.get(id);
    if (!waiting) return false;
    const { build, group, room } = waiting;
    group.repo.waiting--;
    group.repo.waitingSince -= room;
    this.#waiting.delete(id);
    group.remove(id);
    this.#wants(group.repo, -build.weight);
    if (group.builds.length > 0) return true;
    this.groups.delete(group.key);
    group.repo.groups.delete(group);
    if (--group.hosts.users === 0) this.#classes.delete(group.hosts.key);
    return true;
  }

  #wants(repo: PoolRepo, slots: number): void {
    repo.queued += slots;
    this.queuedSlots += slots;
    for (const host of repo.holders.keys()) host.wanted += slots;
  }

  #endRun(build: string): Running | undefined {
    const host = this.#runningOn.get(build);
    const running = host?.running.get(build);
    if (!host || !running) return undefined;
    this.#runningOn.delete(build);
    host.running.delete(build);
    running.repo.running.delete(running);
    this.#use(host, -running.weight);
    this.#stale = true;
    return running;
  }

  #touch(host: PoolHost, cache: Cache, now: number): void {
    cache.lastUsedAt = now;
    host.caches.delete(cache.repo);
    host.caches.set(cache.repo, cache);
  }

  #use(host: PoolHost, slots: number): void {
    this.#uncount(host);
    host.usedSlots += slots;
    this.#count(host);
  }

  #count(host: PoolHost): void {
    if (!host.open) return;
    this.openSlots += host.view.slots;
    const free = Math.max(0, host.freeSlots);
    this.freeSlots += free;
    if (free > 0) this.freeHosts.add(host);
  }

  #uncount(host: PoolHost): void {
    if (!host.open) return;
    this.openSlots -= host.view.slots;
    this.freeSlots -= Math.max(0, host.freeSlots);
    this.freeHosts.delete(host);
  }
}
