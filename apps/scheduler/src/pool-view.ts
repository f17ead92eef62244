import type { PoolEvent } from '@kiln/contracts';
import {
  type BuildRecord,
  cacheKey,
  currentAttempt,
  type HostView,
  type PendingBuild,
  PlacementPool,
  waitsForHost,
} from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import {
  type BuildStore,
  type HostState,
  type HostStore,
  type LearnedStore,
  NotLeader,
  type PendingStore,
  pendingBuild,
  RequestNotUnderstood,
  type StoredBuild,
} from '@kiln/state';
import type { Allowances, Exhausted, Owners } from './allowances.ts';

export interface PoolViewDeps {
  readonly allowances: Allowances;
  readonly builds: BuildStore;
  readonly pending: PendingStore;
  readonly hosts: HostStore;
  readonly learned: LearnedStore;
  readonly log: Logger;
  readonly now: () => number;
}

/** A build that waits, and the number that its next attempt will have. */
export interface WaitingBuild {
  readonly build: PendingBuild;
  readonly owners: Owners;
  readonly attempt: number;
}

/**
 * What waits and where it could go, as the leader holds it in memory: rebuilt from Redis when it begins to lead, kept current by
 * events, and compared with Redis now and then, for events may be trimmed while a leader is away.
 */
export class PoolView {
  readonly #deps: PoolViewDeps;
  readonly pending = new Map<string, WaitingBuild>();
  readonly hosts = new Map<string, HostState>();
  #pool = new PlacementPool();
  /** Builds that hold slots, by host, as placement was told. */
  readonly #running = new Map<string, Set<string>>();
  /** What placement was last told of a host, as JSON: an unchanged one must not make it think anew. */
  readonly #told = new Map<string, { view: string; caches: string }>();
  /** Builds that placement isn't told of, because hosts have as many of their team, or of who submitted them, as they may. */
  readonly #withheld = new Map<string, Exhausted>();
  /** Builds of which placement was told at some time: they count as demand once. */
  readonly #offered = new Set<string>();
  /** Repos of which something was learned that isn't stored yet. */
  readonly #learned = new Set<string>();
  #latest = 0;

  constructor(deps: PoolViewDeps) {
    this.#deps = deps;
  }

  get pool(): PlacementPool {
    return this.#pool;
  }

  /** ms since the epoch; never goes back, whatever the machine's clock does. */
  get now(): number {
    this.#latest = Math.max(this.#latest, this.#deps.now());
    return this.#latest;
  }

  /** Forgets everything, and reads it anew. */
  async rebuild(): Promise<void> {
    this.#pool = new PlacementPool();
    const { allowances } = this.#deps;
    for (const known of [this.pending, this.hosts, this.#running, this.#told, this.#learned]) known.clear();
    for (const known of [this.#withheld, this.#offered, allowances]) known.clear();
    const { pool, repos } = await this.#deps.learned.load();
    if (pool) this.#pool.restore(pool, repos);
    await this.refresh();
  }

  /** Takes in whatever differs from Redis. */
  async refresh(): Promise<void> {
    await this.#deps.allowances.read();
    await this.#syncHosts(true);
    const ids = new Set(await this.#deps.pending.queuedIds());
    for (const id of this.pending.keys()) if (!ids.has(id)) this.left(id);
    for (const id of ids) if (!this.pending.has(id)) await this.#readBuild(id);
  }

  readHosts(): Promise<void> {
    return this.#syncHosts(false);
  }

  /** Takes in what an event says has changed. */
  async apply(event: PoolEvent): Promise<void> {
    if (event.type === 'limits') return this.#deps.allowances.read();
    if (event.type === 'host' || event.type === 'caches') return this.#readHost(event.host, event.type === 'caches');
    if (event.type !== 'build') return;
    if (event.state === 'queued') await this.#readBuild(event.id);
    else this.left(event.id);
    // Assigned or ended: the host's slots have changed.
    if (event.host) await this.#readHost(event.host, false);
  }

  /** The build waits no longer. */
  left(id: string): void {
    this.#offered.delete(id);
    if (this.pending.delete(id) && !this.#withheld.delete(id)) this.#pool.buildLeft(id, this.now);
  }

  /** Whether a host that lives still runs an attempt of the build that Redis doesn't know, and is about to stop it. */
  isStopping(id: string): boolean {
    return [...this.hosts.values()].some(({ alive, stale }) => alive && stale?.includes(id));
  }

  /** Why placement isn't told of a build that waits; undefined where it is. */
  withheld(id: string): Exhausted | undefined {
    return this.#withheld.get(id);
  }

  /** Tells placement of those that may be given to a host, and of no others. */
  applyLimits(): void {
    if (!this.#deps.allowances.areAny && this.#withheld.size === 0) return;
    for (const [id, { build, owners }] of this.pending) {
      if (this.#withheld.has(id) || this.#deps.allowances.exhausted(owners)) this.#limit(id, build, owners);
    }
  }

  /** Tells placement of a build, or withholds it. */
  #limit(id: string, build: PendingBuild, owners: Owners): void {
    const exhausted = this.#deps.allowances.exhausted(owners);
    if (exhausted) {
      if (!this.#withheld.has(id)) this.#pool.buildLeft(id, this.now);
      this.#withheld.set(id, exhausted);
      return;
    }
    this.#withheld.delete(id);
    this.#pool.buildQueued(build, this.now, !this.#offered.has(id));
    this.#offered.add(id);
  }

  /** The build has got its slots on the host. */
  assigned({ build: { id, repo, team, weight }, owners }: WaitingBuild, host: string): void {
    this.pending.delete(id);
    this.#offered.delete(id);
    this.#deps.allowances.began(id, owners);
    this.#runningOn(host).add(id);
    const { now } = this;
    this.#pool.attemptStarted({ build: id, host, repo, team, weight, startedAt: now }, now);
  }

  /**
   * Stores what was learned since the last time.
   * @throws NotLeader
   */
  async saveLearned(fencingToken: string): Promise<void> {
    if (this.#learned.size === 0) return;
    const names = [...this.#learned];
    const repos = names.flatMap((name) => {
      const learned = this.#pool.learnedRepo(name);
      return learned ? [[name, learned] as const] : [];
    });
    if ((await this.#deps.learned.save(this.#pool.learned, repos, fencingToken)) === 'not_leader')
      throw new NotLeader();
    for (const name of names) this.#learned.delete(name);
  }

  #runningOn(host: string): Set<string> {
    const running = this.#running.get(host) ?? new Set();
    this.#running.set(host, running);
    return running;
  }

  async #readBuild(id: string): Promise<void> {
    const build = await this.#understood(id);
    if (!build || !waitsForHost(build.record)) return this.left(id);
    const waiting = pendingBuild(build);
    const owners = ownersOf(build.record);
    this.pending.set(id, { build: waiting, owners, attempt: build.record.attempts.length + 1 });
    this.#limit(id, waiting, owners);
  }

  /** A build whose request is of another version waits for a scheduler that understands it, and holds up no other. */
  async #understood(id: string): Promise<StoredBuild | undefined> {
    try {
      return await this.#deps.builds.get(id);
    } catch (error) {
      if (!(error instanceof RequestNotUnderstood)) throw error;
      this.#deps.log.error({ err: error, buildId: id }, 'build not placed: update the scheduler');
      return undefined;
    }
  }

  async #readHost(name: string, withCaches: boolean): Promise<void> {
    const host = await this.#deps.hosts.get(name);
    if (host) await this.#sync(host, withCaches);
    else this.#gone(name);
  }

  async #syncHosts(withCaches: boolean): Promise<void> {
    const hosts = await this.#deps.hosts.list();
    const names = new Set(hosts.map(({ report }) => report.name));
    for (const host of hosts) await this.#sync(host, withCaches);
    for (const name of [...this.hosts.keys()]) if (!names.has(name)) this.#gone(name);
  }

  /** Tells placement what is new about the host. */
  async #sync(host: HostState, withCaches: boolean): Promise<void> {
    const { name } = host.report;
    this.hosts.set(name, host);
    if (!host.alive) return this.#left(name);
    const view = viewOf(host);
    const told = this.#told.get(name);
    const words = JSON.stringify(view);
    if (told?.view !== words) this.#pool.hostUp(view, this.now);
    const isNew = told === undefined;
    const caches = isNew || withCaches ? JSON.stringify([...host.caches]) : told.caches;
    // Before what runs there: an attempt is expected to run as long as the caches that it finds let it.
    if (told?.caches !== caches) this.#pool.cachesReported(name, host.caches, this.now);
    this.#told.set(name, { view: words, caches });
    const running = this.#runningOn(name);
    const held = new Map(host.held.map(({ buildId, weight }) => [buildId, weight]));
    for (const build of running) if (!held.has(build)) await this.#ended(build, host);
    for (const [build, weight] of held) if (!running.has(build)) await this.#found(build, name, weight);
  }

  #gone(name: string): void {
    this.hosts.delete(name);
    this.#left(name);
  }

  #left(name: string): void {
    if (!this.#told.delete(name)) return;
    this.#pool.hostGone(name, this.now);
    for (const build of this.#runningOn(name)) this.#deps.allowances.ended(build);
    this.#running.delete(name);
  }

  /** A build holds slots that this leader didn't give it. */
  async #found(id: string, host: string, weight: number): Promise<void> {
    const record = await this.#deps.builds.record(id);
    if (!record) return;
    const { team } = record;
    const repo = cacheKey(record);
    const startedAt = currentAttempt(record)?.assignedAt ?? this.now;
    this.#runningOn(host).add(id);
    this.#deps.allowances.began(id, ownersOf(record));
    this.#pool.attemptStarted({ build: id, host, repo, team, weight, startedAt }, this.now);
  }

  /** An attempt has given its slots back: what it tells of its repo's builds is learned. */
  async #ended(id: string, host: HostState): Promise<void> {
    // First, for it may fail: then the attempt is still known here, and its end is taken in the next time.
    const record = await this.#deps.builds.record(id);
    this.#runningOn(host.report.name).delete(id);
    this.#deps.allowances.ended(id);
    const attempt = record?.attempts.findLast((one) => one.host === host.report.name && one.endedAt !== undefined);
    const { startedAt, endedAt, end } = attempt ?? {};
    // A build that failed may have done so at its first step; a lost or canceled one says nothing at all.
    const runMs =
      end === 'succeeded' && startedAt !== undefined && endedAt !== undefined ? endedAt - startedAt : undefined;
    const bytes = record && host.caches.get(cacheKey(record))?.bytes;
    const repo = this.#pool.attemptEnded(id, { runMs, keepsCache: runMs !== undefined, bytes }, this.now);
    if (repo !== undefined) this.#learned.add(repo);
  }
}

function ownersOf({ team, submitter }: BuildRecord): Owners {
  return { team, submitter };
}

function viewOf({ report, cordoned, draining, serves }: HostState): HostView {
  const { name, slots, platforms, labels, trust, accepting, cacheBudgetBytes, cacheBudgets } = report;
  const { isolation, domainsAway } = report;
  return {
    name,
    slots,
    platforms,
    labels,
    trust,
    cordoned,
    draining: draining || !accepting,
    cacheBudgetBytes,
    cacheBudgets,
    isolation,
    domain: serves,
    domainsAway,
  };
}
