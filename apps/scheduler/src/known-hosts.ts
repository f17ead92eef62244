import {
  cacheKey,
  currentAttempt,
  type HostView,
  type PendingBuild,
  type PlacementPool,
  placementKey,
} from '@kiln/domain';
import type { BuildStore, HostState, HostStore } from '@kiln/state';
import { type Allowances, type Owners, ownersOf } from './allowances.ts';

export interface KnownHostsDeps {
  readonly allowances: Allowances;
  readonly builds: Pick<BuildStore, 'record'>;
  readonly hosts: Pick<HostStore, 'get' | 'list'>;
  readonly pool: PlacementPool;
  readonly now: () => number;
  /** Called with a build that a host turns out to hold: it doesn't wait. */
  readonly onFound: (buildId: string) => void;
}

export interface ReadOptions {
  /** Whether placement is also given the caches of hosts that it knows already. */
  readonly withCaches: boolean;
}

/** The hosts as the leader knows them, in memory. Gives placement whatever changes about them: their state, caches and running builds. */
export class KnownHosts {
  readonly #deps: KnownHostsDeps;
  readonly byName = new Map<string, HostState>();
  /** Repos with estimates that aren't stored yet. */
  readonly learned = new Set<string>();
  /** Builds that hold slots, by host, as placement was told. */
  readonly #running = new Map<string, Set<string>>();
  /** What placement was last told about a host, as JSON: an unchanged host must not outdate its last decisions. */
  readonly #told = new Map<string, { host: string; caches: string; inventoryDigest: string | undefined }>();

  constructor(deps: KnownHostsDeps) {
    this.#deps = deps;
  }

  async readAll(options: ReadOptions): Promise<void> {
    const hosts = await this.#deps.hosts.list();
    const names = new Set(hosts.map(({ report }) => report.name));
    for (const host of hosts) await this.#sync(host, options);
    for (const name of [...this.byName.keys()]) if (!names.has(name)) this.#gone(name);
  }

  /** Reads these hosts again. If one of them fails, the others are still taken in. */
  async read(names: ReadonlyMap<string, ReadOptions>): Promise<void> {
    const reading = [...names].map(async ([name, options]) => ({
      name,
      options,
      host: await this.#deps.hosts.get(name),
    }));
    const errors: unknown[] = [];
    for (const one of await Promise.allSettled(reading)) {
      if (one.status === 'rejected') {
        errors.push(one.reason);
        continue;
      }
      const { name, options, host } = one.value;
      if (host) await this.#sync(host, options).catch((error: unknown) => errors.push(error));
      else this.#gone(name);
    }
    if (errors.length > 0) throw errors[0];
  }

  /** Returns the digest of the inventory that placement was last told of. */
  judgedInventory(name: string): string | undefined {
    return this.#told.get(name)?.inventoryDigest;
  }

  /** Records that the build has its slots on the host. */
  assigned({ id, repo, team, weight }: PendingBuild, owners: Owners, host: string): void {
    const now = this.#deps.now();
    this.#deps.allowances.began(id, owners);
    this.#runningOn(host).add(id);
    this.#deps.pool.attemptStarted({ build: id, host, repo, team, weight, startedAt: now }, now);
  }

  /** Gives placement what has changed about the host. */
  async #sync(host: HostState, { withCaches }: ReadOptions): Promise<void> {
    const { pool, now } = this.#deps;
    const { name } = host.report;
    this.byName.set(name, host);
    if (!host.alive) return this.#lost(name);
    const told = this.#told.get(name);
    const view = viewOf(host);
    const viewJson = JSON.stringify(view);
    if (told?.host !== viewJson) pool.hostUp(view, now());
    const isTold = told !== undefined && !withCaches;
    const caches = isTold ? told.caches : JSON.stringify([...host.caches]);
    const { inventoryDigest } = isTold ? told : host;
    // Before the running builds: how long an attempt is expected to run depends on the caches that it finds.
    if (told?.caches !== caches) pool.cachesReported(name, host.caches, now());
    this.#told.set(name, { host: viewJson, caches, inventoryDigest });
    const running = this.#runningOn(name);
    const held = new Map(host.held.map(({ buildId, weight }) => [buildId, weight]));
    for (const build of running) if (!held.has(build)) await this.#ended(build, host);
    for (const [build, weight] of held) if (!running.has(build)) await this.#found(build, name, weight);
  }

  #gone(name: string): void {
    this.byName.delete(name);
    this.#lost(name);
  }

  #lost(name: string): void {
    if (!this.#told.delete(name)) return;
    this.#deps.pool.hostGone(name, this.#deps.now());
    for (const build of this.#runningOn(name)) this.#deps.allowances.ended(build);
    this.#running.delete(name);
  }

  #runningOn(host: string): Set<string> {
    const running = this.#running.get(host) ?? new Set();
    this.#running.set(host, running);
    return running;
  }

  /** Takes in a build that holds slots which this leader didn't assign. */
  async #found(id: string, host: string, weight: number): Promise<void> {
    const { allowances, builds, pool, now, onFound } = this.#deps;
    const record = await builds.record(id);
    if (!record) return;
    const { team } = record;
    const repo = placementKey(cacheKey(record), record.cacheMode);
    const startedAt = currentAttempt(record)?.assignedAt ?? now();
    onFound(id);
    this.#runningOn(host).add(id);
    allowances.began(id, ownersOf(record));
    pool.attemptStarted({ build: id, host, repo, team, weight, startedAt }, now());
  }

  /** Takes in that an attempt has released its slots, and learns from its duration. */
  async #ended(id: string, host: HostState): Promise<void> {
    const { allowances, builds, pool, now } = this.#deps;
    // Read before anything changes: if it fails, the attempt is still known here and its end is taken in next time.
    const record = await builds.record(id);
    this.#runningOn(host.report.name).delete(id);
    allowances.ended(id);
    const attempt = record?.attempts.findLast((one) => one.host === host.report.name && one.endedAt !== undefined);
    const { startedAt, endedAt, end } = attempt ?? {};
    // Only successes teach durations: a failed build may have failed at its first step, a lost or canceled one at any.
    const runMs =
      end === 'succeeded' && !record?.isCall && startedAt !== undefined && endedAt !== undefined
        ? endedAt - startedAt
        : undefined;
    // A builder that was made for the attempt is gone, with all that it held.
    const isWarm = record?.cacheMode === undefined;
    const bytes = record && isWarm ? host.caches.get(cacheKey(record))?.bytes : undefined;
    const repo = pool.attemptEnded(id, { runMs, keepsCache: isWarm && runMs !== undefined, bytes }, now());
    if (repo !== undefined) this.learned.add(repo);
  }
}

/** Returns the host as placement sees it. */
export function viewOf({
  report,
  cordoned,
  draining,
  serves,
}: Pick<HostState, 'report' | 'cordoned' | 'draining' | 'serves'>): HostView {
  const { name, slots, platforms, labels, trust, accepting, cacheBudgetBytes, cacheBudgets } = report;
  const { isolation, domainsAway, cacheModes, conditions } = report;
  return {
    name,
    slots,
    platforms,
    emulated: report.emulated,
    labels,
    trust,
    cacheModes,
    cordoned,
    draining: draining || !accepting,
    lowDisk: conditions?.includes('low_disk') || undefined,
    cacheBudgetBytes,
    cacheBudgets,
    isolation,
    domain: serves,
    domainsAway,
  };
}
