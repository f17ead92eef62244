import type { PoolEvent } from '@kiln/contracts';
import { type PendingBuild, PlacementPool, type PlacementSettings, waitsForHost } from '@kiln/domain';
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
import { type Allowances, type Exhausted, type Owners, ownersOf } from './allowances.ts';
import { KnownHosts, type ReadOptions } from './known-hosts.ts';

export interface PoolViewDeps {
  readonly allowances: Allowances;
  readonly builds: Pick<BuildStore, 'get' | 'record'>;
  readonly pending: Pick<PendingStore, 'queuedIds'>;
  readonly hosts: Pick<HostStore, 'get' | 'list'>;
  readonly learned: Pick<LearnedStore, 'load' | 'save'>;
  readonly log: Logger;
  readonly now: () => number;
  /** Default: `DEFAULT_PLACEMENT`. */
  readonly placement?: PlacementSettings | undefined;
}

/** How many builds are read at a time. */
const READ_TOGETHER = 100;

/** A waiting build and the number of its next attempt. */
export interface WaitingBuild {
  readonly build: PendingBuild;
  readonly owners: Owners;
  readonly attempt: number;
  readonly queueTimeoutMs?: number | undefined;
}

/**
 * The leader's in-memory view of waiting builds and hosts. It is rebuilt from Redis when a scheduler starts to lead, kept current by
 * events, and compared with Redis now and then, because events may be trimmed while a leader is cut off.
 */
export class PoolView {
  readonly #deps: PoolViewDeps;
  readonly pending = new Map<string, WaitingBuild>();
  #pool: PlacementPool;
  #hosts: KnownHosts;
  /** Builds withheld from placement because their team or submitter has reached its limit of running builds. */
  readonly #withheld = new Map<string, Exhausted>();
  /** Builds that placement has been given before, so that each counts as demand only once. */
  readonly #offered = new Set<string>();
  #latest = 0;

  constructor(deps: PoolViewDeps) {
    this.#deps = deps;
    this.#pool = new PlacementPool(deps.placement);
    this.#hosts = this.#newHosts();
  }

  get pool(): PlacementPool {
    return this.#pool;
  }

  get hosts(): ReadonlyMap<string, HostState> {
    return this.#hosts.byName;
  }

  /** Returns the digest of a host's inventory by which placement decides. */
  judgedInventory(name: string): string | undefined {
    return this.#hosts.judgedInventory(name);
  }

  /** ms since the epoch; never goes back, even if the machine's clock does. */
  get now(): number {
    this.#latest = Math.max(this.#latest, this.#deps.now());
    return this.#latest;
  }

  /** Discards the view and reads everything again. */
  async rebuild(): Promise<void> {
    this.#pool = new PlacementPool(this.#deps.placement);
    this.#hosts = this.#newHosts();
    for (const known of [this.pending, this.#withheld, this.#offered, this.#deps.allowances]) known.clear();
    const { pool, repos } = await this.#deps.learned.load();
    if (pool) this.#pool.restore(pool, repos);
    await this.refresh();
  }

  /**
   * Compares the view with Redis and applies every difference. Waiting builds are read first: limits and hosts are then at least as new
   * as the newest of them, so no build is placed by a state of the pool from before it was accepted.
   */
  async refresh(): Promise<void> {
    const ids = new Set(await this.#deps.pending.queuedIds());
    await this.#deps.allowances.read();
    await this.#hosts.readAll({ withCaches: true });
    for (const id of this.pending.keys()) if (!ids.has(id)) this.left(id);
    await this.#readBuilds([...ids].filter((id) => !this.pending.has(id)));
  }

  readHosts(): Promise<void> {
    return this.#hosts.readAll({ withCaches: false });
  }

  /**
   * Reads again what events say has changed: each build and host once, however many events are about it, so that a leader that has fallen
   * behind catches up. Hosts are read after builds, as in `refresh`.
   */
  async apply(events: readonly PoolEvent[]): Promise<void> {
    const builds = new Map<string, { readonly isQueued: boolean }>();
    const hosts = new Map<string, ReadOptions>();
    const changed = (name: string, withCaches: boolean) =>
      hosts.set(name, { withCaches: withCaches || (hosts.get(name)?.withCaches ?? false) });
    for (const event of events) {
      if (event.type === 'host' || event.type === 'caches') changed(event.host, event.type === 'caches');
      if (event.type !== 'build') continue;
      builds.set(event.id, { isQueued: event.state === 'queued' });
      // The build was assigned or has ended, so the host's free slots have changed.
      if (event.host) changed(event.host, false);
    }
    if (events.some(({ type }) => type === 'limits')) await this.#deps.allowances.read();
    for (const [id, { isQueued }] of builds) if (!isQueued) this.left(id);
    await this.#readBuilds([...builds].flatMap(([id, { isQueued }]) => (isQueued ? [id] : [])));
    await this.#hosts.read(hosts);
  }

  /** Removes a build that no longer waits. */
  left(id: string): void {
    this.#offered.delete(id);
    if (this.pending.delete(id) && !this.#withheld.delete(id)) this.#pool.buildLeft(id, this.now);
  }

  /** Offers placement a build as one that any host can take, whatever its platforms. */
  tryAnywhere(id: string): void {
    const waiting = this.pending.get(id);
    if (!waiting) return;
    const build = { ...waiting.build, platforms: [], platformsUnsure: false };
    this.pending.set(id, { ...waiting, build });
    this.#offer(id, build, waiting.owners);
  }

  /** Whether a live host still runs an attempt of the build that Redis has lost, and is about to stop it. */
  isStopping(id: string): boolean {
    return [...this.hosts.values()].some(({ alive, stale }) => alive && stale?.includes(id));
  }

  /** Why a waiting build is withheld from placement; undefined if it isn't. */
  withheld(id: string): Exhausted | undefined {
    return this.#withheld.get(id);
  }

  /** Offers placement the builds that are within their limits and withholds the others. */
  applyLimits(): void {
    if (!this.#deps.allowances.areAny && this.#withheld.size === 0) return;
    for (const [id, { build, owners }] of this.pending) {
      if (this.#withheld.has(id) || this.#deps.allowances.exhausted(owners)) this.#offer(id, build, owners);
    }
  }

  /** Records that the build has its slots on the host. */
  assigned({ build, owners }: WaitingBuild, host: string): void {
    this.pending.delete(build.id);
    this.#offered.delete(build.id);
    this.#hosts.assigned(build, owners, host);
  }

  /**
   * Stores what was learned since the last call.
   * @throws NotLeader
   */
  async saveLearned(fencingToken: string): Promise<void> {
    const { learned } = this.#hosts;
    if (learned.size === 0) return;
    const names = [...learned];
    const repos = names.flatMap((name) => {
      const repo = this.#pool.learnedRepo(name);
      return repo ? [[name, repo] as const] : [];
    });
    if ((await this.#deps.learned.save(this.#pool.learned, repos, fencingToken)) === 'not_leader')
      throw new NotLeader();
    for (const name of names) learned.delete(name);
  }

  #newHosts(): KnownHosts {
    const { allowances, builds, hosts } = this.#deps;
    return new KnownHosts({
      ...{ allowances, builds, hosts, pool: this.#pool },
      now: () => this.now,
      onFound: (id) => this.left(id),
    });
  }

  /** Reads builds, many at a time: one after another, those of a burst would each wait for all before them. Takes them in in their order. */
  async #readBuilds(ids: readonly string[]): Promise<void> {
    for (let from = 0; from < ids.length; from += READ_TOGETHER) {
      const some = ids.slice(from, from + READ_TOGETHER);
      const builds = await Promise.all(some.map((id) => this.#understood(id)));
      for (const [i, id] of some.entries()) this.#takeIn(id, builds[i]);
    }
  }

  #takeIn(id: string, build: StoredBuild | undefined): void {
    if (!build || !waitsForHost(build.record)) {
      this.left(id);
      return;
    }
    const waiting = pendingBuild(build);
    const owners = ownersOf(build.record);
    const { attempts, queueTimeoutMs } = build.record;
    this.pending.set(id, { build: waiting, owners, attempt: attempts.length + 1, queueTimeoutMs });
    this.#offer(id, waiting, owners);
  }

  /** Offers a build to placement, or withholds it if its owners have reached a limit. */
  #offer(id: string, build: PendingBuild, owners: Owners): void {
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

  /** Reads a build. One whose request is of a newer version waits for a newer scheduler and doesn't block the others. */
  async #understood(id: string): Promise<StoredBuild | undefined> {
    try {
      return await this.#deps.builds.get(id);
    } catch (error) {
      if (!(error instanceof RequestNotUnderstood)) throw error;
      this.#deps.log.error({ err: error, buildId: id }, 'build not placed: update the scheduler');
      return undefined;
    }
  }
}
