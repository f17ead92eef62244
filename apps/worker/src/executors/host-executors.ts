import { EngineTaken } from '@kiln/buildkit';
import type { HostReport } from '@kiln/contracts';
import {
  type Amount,
  amountOf,
  cacheModesOf,
  domainOfKey,
  domainText,
  emulatedPlatforms,
  type Isolation,
  type Outcome,
  type RepairLimits,
} from '@kiln/domain';
import type { Metrics } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import {
  EvictionStore,
  type HostWriter,
  InventoryStore,
  LearnedStore,
  SavingStore,
  type State,
  UsageStore,
} from '@kiln/state';
import { DomainBudgets } from '../caches/domain-budgets.ts';
import { DomainLedger } from '../caches/domain-ledger.ts';
import { type EvictionCaps, Evictor } from '../caches/evictor.ts';
import { HostCaches } from '../caches/host-caches.ts';
import type { LayerLedger } from '../caches/layer-ledger.ts';
import { EngineWatch } from '../engine/engine-watch.ts';
import type { ExecuteRequest, Executor, ExecutorSource } from '../engine/executor.ts';
import { DEFAULT_KEEP_BROKEN_MS, HostHealing } from '../healing/host-healing.ts';
import { ActiveBuilds } from './active-builds.ts';
import { BudgetKeeper } from './budget-keeper.ts';
import { DomainLanes } from './domain-lanes.ts';

/** The part of a host's report that changes while it runs. */
export type Offer = Partial<
  Pick<HostReport, 'accepting' | 'domain' | 'domainsAway' | 'cacheBudgets' | 'incidents' | 'conditions'>
>;

export interface HostExecutorsDeps extends Pick<State, 'redis' | 'keys'> {
  readonly source: ExecutorSource;
  readonly writer: HostWriter;
  /** File of the layer ledger of domain `trusted`; all other ledgers are stored beside it. Undefined: they are lost with the process. */
  readonly ledgerFile: string | undefined;
  readonly inventoryEveryMs: number;
  readonly engineCheckEveryMs: number;
  /** How often the cache budget is divided, ms. */
  readonly shareEveryMs: number;
  /** What the caches of a repo, and of a team, may take of the cache budget. Default: all of it. */
  readonly repoCacheCap?: Amount | undefined;
  readonly teamCacheCap?: Amount | undefined;
  /** How long a builder is kept running without a build, ms; undefined: forever. */
  readonly idleMs: number | undefined;
  /** How long a builder's broken state is kept, ms; 0: not at all. Default: `DEFAULT_KEEP_BROKEN_MS`. */
  readonly keepBrokenMs?: number | undefined;
  /** How often builders are repaired. Default: `REPAIR_LIMITS`. */
  readonly repairLimits?: RepairLimits | undefined;
  /** Reports the change; resolves when the pool has accepted it. */
  onOffer(offer: Offer): Promise<void>;
  readonly metrics?: Metrics | undefined;
  readonly log: Logger;
  readonly now: () => number;
}

/** What a host runs builds with: one executor for each isolation domain, each with its own caches and engine watch. */
export class HostExecutors {
  readonly active = new ActiveBuilds();
  readonly usages: UsageStore;
  readonly #deps: HostExecutorsDeps;
  readonly #lanes: DomainLanes;
  readonly #ledger: DomainLedger;
  readonly #published: HostCaches;
  readonly #budget: BudgetKeeper;
  readonly #watch: EngineWatch | undefined;
  readonly #healing: HostHealing;
  #fenceMs: number | undefined;
  /** Cache key of the repo that was built last. */
  #lastBuilt: string | undefined;
  /** How many domains' builders don't answer or are being repaired. */
  #away = 0;

  private constructor(deps: HostExecutorsDeps, ledger: DomainLedger, healing: HostHealing) {
    this.#deps = deps;
    this.#ledger = ledger;
    this.#healing = healing;
    const { source, redis, keys, writer, engineCheckEveryMs: checkEveryMs, onOffer, log, now } = deps;
    this.usages = new UsageStore(redis, keys);
    const store = new InventoryStore(redis, keys);
    const published = new HostCaches({
      store,
      ledger,
      isUp: (domain) => lanes.find(domain)?.isUp ?? false,
      onRead: (domain, used) => this.#budget.noticed(domain, used),
    });
    const budgets = new DomainBudgets(source.info, ledger, (domain) => lanes.find(domain)?.isBusy ?? false, now);
    const lanes = new DomainLanes({
      ...{ source, ledger, published, writer, checkEveryMs, healing, log, now },
      ...{ idleMs: deps.idleMs, ledgerFile: deps.ledgerFile, inventoryEveryMs: deps.inventoryEveryMs },
      usages: this.usages,
      learned: new LearnedStore(redis, keys, now),
      savings: new SavingStore(redis, keys),
      fenceMs: () => this.#fenceMs,
      open: (domain) => this.#open(domain),
      onAway: (domains) => {
        this.#away = [...domains].length;
        return onOffer({ domainsAway: [...domains] });
      },
      onIncident: () => onOffer(this.#incidents),
    });
    this.#lanes = lanes;
    this.#published = published;
    this.#budget = new BudgetKeeper({
      ...{ source, budgets, ledger, published, lanes, writer, log, now },
      evictor: new Evictor({
        ...{ writer, log, now, usages: this.usages, metrics: deps.metrics },
        learned: new LearnedStore(redis, keys, now),
        evictions: new EvictionStore(redis, keys),
        lastBuilt: () => this.#lastBuilt,
      }),
      caps: capsOf(deps),
      everyMs: deps.shareEveryMs,
      onShares: (shares) => onOffer(shares),
    });
    this.#watch =
      source.ping &&
      new EngineWatch({
        check: source.ping.bind(source),
        onChange: (isThere) => onOffer({ accepting: isThere }),
        everyMs: checkEveryMs,
        log,
      });
  }

  static async open(deps: HostExecutorsDeps): Promise<HostExecutors> {
    const { source, ledgerFile, now } = deps;
    const file = ledgerFile === undefined ? undefined : `${ledgerFile}.domains`;
    const ledger = await DomainLedger.open(file, await source.stored(), now());
    const { keepBrokenMs = DEFAULT_KEEP_BROKEN_MS, repairLimits: limits, metrics, log } = deps;
    const healingFile = ledgerFile === undefined ? undefined : `${ledgerFile}.healing`;
    const healing = await HostHealing.open({
      source,
      ledgerFile: healingFile,
      keepBrokenMs,
      limits,
      metrics,
      log,
      now,
    });
    const opened = new HostExecutors(deps, ledger, healing);
    for (const domain of source.running) await (await opened.#lanes.of(domain)).open();
    opened.#budget.start();
    return opened;
  }

  /** The part of the host's report that describes its executors. */
  get report(): Omit<HostReport, 'name' | 'slots' | 'labels' | 'disk' | 'network' | 'accepting'> {
    const { info } = this.#deps.source;
    return {
      platforms: [...info.platforms],
      emulated: emulatedPlatforms(info.platforms),
      driver: info.driver,
      trust: [...info.trust],
      isolation: info.isolation,
      oneDomain: info.oneDomain,
      cacheModes: [...cacheModesOf(info.driver)],
      ...this.#serves,
      engineVersion: info.engineVersion,
      buildxVersion: info.buildxVersion,
      ...(info.buildkitVersion !== undefined && { buildkitVersion: info.buildkitVersion }),
      ...(info.cacheBudget && { cacheBudgetBytes: info.cacheBudget.bytes, cacheBudgetFrom: info.cacheBudget.from }),
      ...this.#budget.report,
      ...this.#incidents,
    };
  }

  /** Runs an attempt on the executor of its isolation domain, never on another one. */
  async run(request: ExecuteRequest, signal: AbortSignal): Promise<Outcome> {
    const { source, log, onOffer } = this.#deps;
    const { info } = source;
    if (!info.trust.includes(request.trust)) {
      return failed('infrastructure', `this host has no builder for ${request.trust} builds`);
    }
    const domain = domainOfKey(request.repo, info.isolation);
    const before = source.domain;
    try {
      const lane = await this.#lanes.of(domain);
      const run = () => lane.run({ ...request, domain }, signal);
      const outcome = await this.active.run(request, signal, run);
      // If the whole engine is gone, and not just the builder, the pool has to know before the slot is free again.
      if (outcome.failure?.code === 'infrastructure' && !signal.aborted) await this.#watch?.now();
      return outcome;
    } catch (error) {
      if (!(error instanceof EngineTaken)) {
        if (!signal.aborted) await this.#watch?.now();
        throw error;
      }
      log.warn({ domain, serves: error.domain }, 'build handed back: the host serves another isolation domain');
      // The pool has to know before the build is queued again, or it would come back here.
      await onOffer({ domain: error.domain });
      return failed('host_taken', `this host serves only ${domainText(error.domain)}, and handed the build back`);
    } finally {
      this.#lastBuilt = request.repo;
      if (source.domain !== before) await onOffer(this.#serves).catch(() => undefined);
    }
  }

  async extendFence(untilMs: number): Promise<void> {
    this.#fenceMs = untilMs;
    await Promise.all(this.#lanes.all.map((lane) => lane.extendFence(untilMs)));
  }

  /** Evicts about so many bytes of caches, those that are worth least first. Never rejects. @returns the freed bytes */
  async free(bytes: number): Promise<number> {
    return this.#budget.free(bytes);
  }

  /** Figures for metrics: what the caches take by their last readings, what they may take, and how many builders are away. */
  get figures(): { cacheBytes: number; cacheBudgetBytes: number | undefined; buildersAway: number } {
    const reads = [...this.#ledger.all.values()].flatMap(({ read }) => (read ? [read.inventory.usedBytes] : []));
    return {
      cacheBytes: reads.reduce((sum, bytes) => sum + bytes, 0),
      cacheBudgetBytes: this.#deps.source.info.cacheBudget?.bytes,
      buildersAway: this.#away,
    };
  }

  get isolation(): Isolation {
    return this.#deps.source.info.isolation;
  }

  /** The isolation domains whose caches are on the host. */
  get domains(): string[] {
    return [...this.#ledger.all.keys()];
  }

  /** Whether there are cache mounts on the host, by the last readings. */
  get hasMounts(): boolean {
    return [...this.#ledger.all.values()].some(({ read }) => (read?.inventory.mounts.length ?? 0) > 0);
  }

  /** Whether the pool knew the caches of now when it got a report that was sent at this time. @param sentAt by performance.now() */
  areCachesKnown(sentAt: number): boolean {
    return sentAt > this.#published.publishedAt && !this.#lanes.all.some((lane) => lane.areCachesBehind);
  }

  /** The record of which layers of a domain's builder repos have used. */
  async layersOf(domain: string): Promise<LayerLedger> {
    return this.#lanes.layersOf(domain);
  }

  /**
   * Calls `use` with the executor of a domain, which is started if necessary, and then stopped again. The domain's caches are read and
   * reported afterwards.
   */
  async with(domain: string, use: (executor: Executor) => Promise<void>): Promise<void> {
    const lane = await this.#lanes.of(domain);
    const wasUp = lane.isUp;
    await lane.with(use);
    lane.cachesChanged();
    if (!wasUp) await lane.rest();
  }

  /** Reads the caches and reports them, unless that is already happening. */
  cachesWanted(): void {
    const { writer, log, now } = this.#deps;
    const known = [...this.#ledger.all.values()].some(({ read }) => read);
    if (known)
      this.#published.publish(writer, now()).catch((err: unknown) => log.warn({ err }, 'reporting the caches failed'));
    for (const lane of this.#lanes.all) lane.cachesWanted();
  }

  /**
   * Stops looking after the caches; what attempts that have ended left there is reported first, within `withinMs`. From when this resolves,
   * no ledger is saved any more, even by a reading that was too slow: the files belong to the next worker.
   */
  async closeCaches(withinMs: number): Promise<void> {
    this.#budget.stop();
    await Promise.all(this.#lanes.all.map((lane) => lane.close(withinMs)));
    await this.#published.settled();
    await this.#closeLedgers();
  }

  /** Stops looking after the caches without a last report. */
  abandonCaches(): void {
    this.#budget.stop();
    void this.#closeLedgers();
    for (const lane of this.#lanes.all) lane.abandon();
  }

  stopWatching(): void {
    this.#budget.stop();
    this.#watch?.stop();
    for (const lane of this.#lanes.all) lane.stopWatching();
  }

  async #closeLedgers(): Promise<void> {
    this.#healing.stop();
    await Promise.all([this.#ledger.close(), this.#lanes.closeLedgers(), this.#healing.ledger.close()]);
  }

  get #incidents(): Pick<HostReport, 'incidents'> {
    const { incidents } = this.#healing.ledger;
    return incidents.length === 0 ? {} : { incidents: [...incidents] };
  }

  get #serves(): Pick<HostReport, 'domain'> {
    const { domain } = this.#deps.source;
    return domain === undefined ? {} : { domain };
  }

  async #open(domain: string): Promise<Executor> {
    const { source, now } = this.#deps;
    const bytes = this.#budget.shareOf(domain);
    const executor = await source.open(domain, bytes);
    const isNew = !this.#ledger.all.has(domain);
    this.#ledger.used(domain, now());
    if (bytes !== undefined) {
      this.#budget.applied(domain, bytes);
      // The shares of the other domains have become smaller.
      if (isNew) void this.#budget.share();
    }
    return executor;
  }
}

/** A percentage counts of the host's budget; of an unknown one, nothing is limited. */
function capsOf({ source, repoCacheCap, teamCacheCap }: HostExecutorsDeps): EvictionCaps {
  const all = source.info.cacheBudget?.bytes ?? Number.POSITIVE_INFINITY;
  return {
    ...(repoCacheCap && { repoCapBytes: amountOf(repoCacheCap, all) }),
    ...(teamCacheCap && { teamCapBytes: amountOf(teamCacheCap, all) }),
  };
}

function failed(code: 'infrastructure' | 'host_taken', message: string): Outcome {
  return { end: 'failed', failure: { code, message } };
}
