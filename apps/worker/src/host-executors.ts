import { createHash } from 'node:crypto';
import type { HostReport } from '@kiln/contracts';
import { domainOfKey, domainText, type Outcome } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import { type HostWriter, InventoryStore, LearnedStore, UsageStore } from '@kiln/state';
import { CacheReporter } from './cache-reporter.ts';
import { DomainBudgets } from './domain-budgets.ts';
import { DomainLane, isTaken } from './domain-lane.ts';
import { DomainLedger } from './domain-ledger.ts';
import { EngineWatch } from './engine-watch.ts';
import type { ExecuteRequest, Executor, ExecutorSource } from './executor.ts';
import { HostCaches } from './host-caches.ts';
import { LayerLedger } from './layer-ledger.ts';

/** What a host's report says that changes while it runs. */
export type Offer = Partial<Pick<HostReport, 'accepting' | 'domain' | 'domainsAway' | 'cacheBudgets'>>;

export interface HostExecutorsOptions {
  readonly source: ExecutorSource;
  readonly redis: ConstructorParameters<typeof InventoryStore>[0];
  readonly keys: ConstructorParameters<typeof InventoryStore>[1];
  readonly writer: HostWriter;
  /** File of the layer ledger of the pool's trusted builder; those of others, and what is kept of all, lie beside it. Without, they are forgotten with the process. */
  readonly ledgerFile: string | undefined;
  readonly inventoryEveryMs: number;
  readonly engineCheckEveryMs: number;
  /** How often the budget is divided again. */
  readonly shareEveryMs: number;
  /** Without a build for so long a builder is stopped; undefined: never. */
  readonly idleMs: number | undefined;
  /** Resolves when the pool knows. */
  onOffer(offer: Offer): Promise<void>;
  readonly log: Logger;
  readonly now: () => number;
}

/** A builder whose part of the budget has changed by more than this share gets it at its next start, which comes as soon as it is idle. */
const WORTHWHILE_CHANGE = 0.2;

/** What a host runs builds with: for each isolation domain an executor, with caches and a watch of its own. */
export class HostExecutors {
  readonly #options: HostExecutorsOptions;
  readonly #lanes = new Map<string, DomainLane>();
  readonly #ledger: DomainLedger;
  readonly #published: HostCaches;
  readonly #budgets: DomainBudgets;
  readonly #watch: EngineWatch | undefined;
  readonly #away = new Set<string>();
  /** The part of the budget that each executor was started with. */
  readonly #applied = new Map<string, number>();
  #fenceMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sharing: Promise<void> = Promise.resolve();

  private constructor(options: HostExecutorsOptions, ledger: DomainLedger) {
    this.#options = options;
    this.#ledger = ledger;
    const { source, redis, keys, engineCheckEveryMs, log, now } = options;
    const store = new InventoryStore(redis, keys);
    this.#published = new HostCaches({ store, ledger, isUp: (domain) => this.#lanes.get(domain)?.isUp ?? false });
    this.#budgets = new DomainBudgets(source.info, ledger, (domain) => this.#lanes.get(domain)?.isBusy ?? false, now);
    this.#watch =
      source.ping &&
      new EngineWatch({
        check: source.ping.bind(source),
        onChange: (isThere) => options.onOffer({ accepting: isThere }),
        everyMs: engineCheckEveryMs,
        log,
      });
  }

  static async open(options: HostExecutorsOptions): Promise<HostExecutors> {
    const { source, ledgerFile, now } = options;
    const file = ledgerFile === undefined ? undefined : `${ledgerFile}.domains`;
    const ledger = await DomainLedger.open(file, await source.stored(), now());
    const opened = new HostExecutors(options, ledger);
    for (const domain of source.running) await (await opened.#lane(domain)).open();
    opened.#shareLater();
    return opened;
  }

  /** What the host's report says of them. */
  get report(): Omit<HostReport, 'name' | 'slots' | 'labels' | 'disk' | 'accepting'> {
    const { source } = this.#options;
    const { info } = source;
    return {
      platforms: [...info.platforms],
      driver: info.driver,
      trust: [...info.trust],
      isolation: info.isolation,
      oneDomain: info.oneDomain,
      ...this.#serves,
      engineVersion: info.engineVersion,
      buildxVersion: info.buildxVersion,
      ...(info.buildkitVersion !== undefined && { buildkitVersion: info.buildkitVersion }),
      ...(info.cacheBudget && { cacheBudgetBytes: info.cacheBudget.bytes, cacheBudgetFrom: info.cacheBudget.from }),
      ...this.#shares,
    };
  }

  /** Runs an attempt on the executor of its domain, and on no other. */
  async run(request: ExecuteRequest, signal: AbortSignal): Promise<Outcome> {
    const { source, log, onOffer } = this.#options;
    const { info } = source;
    if (!info.trust.includes(request.trust)) {
      return failed('infrastructure', `this host has no builder of ${request.trust} builds`);
    }
    const domain = domainOfKey(request.repo, info.isolation);
    const before = source.domain;
    try {
      const lane = await this.#lane(domain);
      const outcome = await lane.run({ ...request, domain }, signal);
      // Whether it is the builder that is gone, or the whole engine: the pool knows before the slot is free again.
      if (outcome.failure?.code === 'infrastructure' && !signal.aborted) await this.#watch?.now();
      return outcome;
    } catch (error) {
      if (!isTaken(error)) {
        if (!signal.aborted) await this.#watch?.now();
        throw error;
      }
      log.warn({ domain, serves: error.domain }, 'build handed back: the host serves another isolation domain');
      // The pool knows it before the build waits again: it doesn't come back here.
      await onOffer({ domain: error.domain });
      return failed('host_taken', `this host serves ${domainText(error.domain)} only, and handed the build back`);
    } finally {
      if (source.domain !== before) await onOffer(this.#serves).catch(() => undefined);
    }
  }

  async extendFence(untilMs: number): Promise<void> {
    this.#fenceMs = untilMs;
    await Promise.all([...this.#lanes.values()].map((lane) => lane.extendFence(untilMs)));
  }

  /** Reads the caches and reports them, unless that is under way. */
  cachesWanted(): void {
    const { writer, log, now } = this.#options;
    const known = [...this.#ledger.all.values()].some(({ read }) => read);
    if (known)
      this.#published.publish(writer, now()).catch((err: unknown) => log.warn({ err }, 'caches could not be reported'));
    for (const lane of this.#lanes.values()) lane.cachesWanted();
  }

  /** Looks after them no longer; what has ended so far is reported first, within `withinMs`. */
  async closeCaches(withinMs: number): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close(withinMs)));
    await this.#published.settled();
  }

  abandonCaches(): void {
    clearTimeout(this.#timer);
    for (const lane of this.#lanes.values()) lane.abandon();
  }

  stopWatching(): void {
    clearTimeout(this.#timer);
    this.#watch?.stop();
    for (const lane of this.#lanes.values()) lane.stopWatching();
  }

  /** Divides the budget again, and has builders give up what goes beyond their part. */
  share(): Promise<void> {
    const { log } = this.#options;
    this.#sharing = this.#sharing
      .then(() => this.#share())
      .catch((error: unknown) => log.warn({ err: error }, 'the cache budget could not be divided'));
    return this.#sharing;
  }

  get #serves(): Pick<HostReport, 'domain'> {
    const { domain } = this.#options.source;
    return domain === undefined ? {} : { domain };
  }

  get #shares(): Pick<HostReport, 'cacheBudgets'> {
    const shares = this.#budgets.shares()?.shares;
    return shares && shares.size > 0 ? { cacheBudgets: Object.fromEntries(shares) } : {};
  }

  async #lane(domain: string): Promise<DomainLane> {
    const known = this.#lanes.get(domain);
    if (known) return known;
    const { source, idleMs, engineCheckEveryMs, now, ledgerFile } = this.#options;
    const log = this.#options.log.child({ domain });
    const layers = await LayerLedger.open(layersFile(ledgerFile, domain));
    // Another build of the domain may have been as fast.
    const other = this.#lanes.get(domain);
    if (other) return other;
    const lane = new DomainLane({
      ...{ domain, checkEveryMs: engineCheckEveryMs, now, log },
      idleMs: source.info.oneDomain ? undefined : idleMs,
      open: () => this.#open(domain),
      stop: () => source.stop(domain),
      caches: (executor) => this.#reporter(domain, executor, layers, log),
      fenceMs: () => this.#fenceMs,
      onAway: (isAway) => this.#setAway(domain, isAway),
    });
    this.#lanes.set(domain, lane);
    return lane;
  }

  async #open(domain: string): Promise<Executor> {
    const { source, now } = this.#options;
    const bytes = this.#budgets.shares(domain)?.shares.get(domain);
    const executor = await source.open(domain, bytes);
    const isNew = !this.#ledger.all.has(domain);
    this.#ledger.used(domain, now());
    if (bytes !== undefined) this.#applied.set(domain, bytes);
    // What it may take now, others may no longer.
    if (isNew && bytes !== undefined) void this.share();
    return executor;
  }

  #reporter(domain: string, executor: Executor, ledger: LayerLedger, log: Logger) {
    if (!executor.inventory) return undefined;
    const { redis, keys, writer, inventoryEveryMs, now } = this.#options;
    const learned = new LearnedStore(redis, keys, now);
    return new CacheReporter(
      {
        writer,
        inventory: executor.inventory.bind(executor),
        inventories: this.#published.of(domain),
        usages: new UsageStore(redis, keys),
        ledger,
        learned: async ({ repo, endedAt }) => this.#ledger.saved(domain, await learned.savedByCaches(repo), endedAt),
        log,
      },
      inventoryEveryMs,
    );
  }

  /** A builder that is away takes its domain from the host, not the host from the pool: nobody's builds can close it to others. */
  async #setAway(domain: string, isAway: boolean): Promise<void> {
    if (isAway) this.#away.add(domain);
    else this.#away.delete(domain);
    await this.#options.onOffer({ domainsAway: [...this.#away] });
  }

  #shareLater(): void {
    const { shareEveryMs, source } = this.#options;
    if (!source.info.cacheBudgets) return;
    this.#timer = setTimeout(() => void this.share().finally(() => this.#shareLater()), shareEveryMs);
  }

  async #share(): Promise<void> {
    const shared = this.#budgets.shares();
    if (!shared) return;
    for (const domain of shared.givenUp) await this.#giveUp(domain);
    for (const [domain, bytes] of shared.shares) await this.#fit(domain, bytes);
    await this.#options.onOffer(this.#shares);
  }

  async #giveUp(domain: string): Promise<void> {
    const { source, log, writer, now } = this.#options;
    const lane = this.#lanes.get(domain);
    if (lane && !(await lane.rest())) return;
    await source.discard(domain);
    this.#ledger.forget(domain);
    this.#applied.delete(domain);
    await this.#published.publish(writer, now());
    log.info({ domain }, 'caches given up: more domains than the budget is enough for');
  }

  /** Has the domain's caches take no more than its part. */
  async #fit(domain: string, bytes: number): Promise<void> {
    const used = this.#ledger.all.get(domain)?.read?.inventory.usedBytes ?? 0;
    const lane = this.#lanes.get(domain);
    if (used > bytes) {
      const own = lane ?? (await this.#lane(domain));
      const wasUp = own.isUp;
      await own.with(async (executor) => executor.trim?.(bytes));
      own.cachesChanged();
      if (!wasUp) await own.rest();
      return;
    }
    const applied = this.#applied.get(domain);
    const isApart = applied !== undefined && Math.abs(applied - bytes) > WORTHWHILE_CHANGE * applied;
    if (lane?.isUp && isApart) await lane.rest();
  }
}

function failed(code: 'infrastructure' | 'host_taken', message: string): Outcome {
  return { end: 'failed', failure: { code, message } };
}

function layersFile(path: string | undefined, domain: string): string | undefined {
  if (path === undefined || domain === 'trusted') return path;
  const name = domain === 'untrusted' ? domain : createHash('sha256').update(domain).digest('hex').slice(0, 20);
  return `${path}.${name}`;
}
