import type { HostReport } from '@kiln/contracts';
import { chooseEvictions, worthOf } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import type { HostWriter } from '@kiln/state';
import type { DomainBudgets } from '../caches/domain-budgets.ts';
import type { DomainLedger } from '../caches/domain-ledger.ts';
import type { EvictionCaps, Evictor } from '../caches/evictor.ts';
import type { HostCaches } from '../caches/host-caches.ts';
import type { Executor, ExecutorSource } from '../engine/executor.ts';
import type { DomainLanes } from './domain-lanes.ts';

export interface BudgetKeeperDeps {
  readonly source: ExecutorSource;
  readonly budgets: DomainBudgets;
  readonly ledger: DomainLedger;
  readonly published: HostCaches;
  readonly lanes: DomainLanes;
  readonly evictor: Pick<Evictor, 'evict' | 'read' | 'remove'>;
  /** What the caches of a repo, and of a team, may take in a builder. */
  readonly caps: EvictionCaps;
  readonly writer: HostWriter;
  /** How often the budget is divided, ms. */
  readonly everyMs: number;
  /** Reports the new shares; resolves when the pool has accepted them. */
  onShares(shares: Pick<HostReport, 'cacheBudgets'>): Promise<void>;
  readonly log: Logger;
  readonly now: () => number;
}

/** A change of its share greater than this part of it restarts a running builder with the new one as soon as it is idle. */
const WORTHWHILE_CHANGE = 0.2;

/** Divides the cache budget among the domains of a host, and trims or discards the caches that exceed their share. */
export class BudgetKeeper {
  readonly #deps: BudgetKeeperDeps;
  /** The share that each executor was started with. */
  readonly #applied = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #sharing: Promise<void> = Promise.resolve();

  constructor(deps: BudgetKeeperDeps) {
    this.#deps = deps;
  }

  /** The shares as a host reports them. */
  get report(): Pick<HostReport, 'cacheBudgets'> {
    const shares = this.#deps.budgets.shares()?.shares;
    return shares && shares.size > 0 ? { cacheBudgets: Object.fromEntries(shares) } : {};
  }

  /** Divides the budget from now on at each interval, if there is one to divide. */
  start(): void {
    const { everyMs, source } = this.#deps;
    if (!source.info.cacheBudgets) return;
    this.#timer = setTimeout(() => void this.share().finally(() => this.start()), everyMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** The share of a domain that is about to be started; undefined if Kiln doesn't limit the caches. */
  shareOf(domain: string): number | undefined {
    return this.#deps.budgets.shares(domain)?.shares.get(domain);
  }

  /** Records the share with which the domain's executor was started. */
  applied(domain: string, bytes: number): void {
    this.#applied.set(domain, bytes);
  }

  /** Takes note of a reading of the domain's caches: if they exceed their share, the budget is enforced without waiting for the next interval. */
  noticed(domain: string, usedBytes: number): void {
    const share = this.#deps.budgets.shares()?.shares.get(domain);
    if (share !== undefined && usedBytes > share) void this.share();
    else if (Object.keys(this.#deps.caps).length > 0)
      void this.#next(
        () => this.#fit(domain, share ?? Number.POSITIVE_INFINITY),
        'limiting the caches of repos and teams',
      );
  }

  /**
   * Frees about `bytes` of the disk: evicts what is worth least in all builders that are up, then in stopped ones, which are started for it,
   * the least useful first. Never rejects. @returns the freed bytes
   */
  async free(bytes: number): Promise<number> {
    let freed = 0;
    await this.#next(async () => {
      const { lanes, ledger, now } = this.#deps;
      const isUp = (domain: string) => lanes.find(domain)?.isUp ?? false;
      const worth = (domain: string) => worthOf(ledger.all.get(domain)?.worth, now());
      const domains = [...ledger.all.keys()];
      freed += await this.#evictFrom(domains.filter(isUp), bytes);
      for (const domain of domains.filter((one) => !isUp(one)).sort((a, b) => worth(a) - worth(b)))
        if (freed < bytes) freed += await this.#evictFrom([domain], bytes - freed);
    }, 'making room on the disk');
    return freed;
  }

  /** Frees up to `bytes` in some builders together. A builder that fails is left out. */
  async #evictFrom(domains: readonly string[], bytes: number): Promise<number> {
    const { evictor, lanes, now } = this.#deps;
    const read = new Map<string, Awaited<ReturnType<Evictor['read']>>['caches']>();
    for (const domain of domains)
      await this.#inBuilder(domain, async (executor) => {
        read.set(domain, (await evictor.read(executor, await lanes.layersOf(domain))).caches);
        return false;
      });
    // Two builders may call their caches the same.
    const all = [...read].flatMap(([domain, caches]) =>
      caches.map((cache) => ({ ...cache, domain, own: cache.id, id: `${domain}\n${cache.id}` })),
    );
    const chosen = new Set(chooseEvictions(all, { lowDiskBytes: bytes }, now()).map(({ cache }) => cache.id));
    let freed = 0;
    for (const [domain, own] of Map.groupBy(
      all.filter(({ id }) => chosen.has(id)),
      (cache) => cache.domain,
    ))
      await this.#inBuilder(domain, async (executor) => {
        const list = own.map((cache) => ({ cache: { id: cache.own }, reason: 'low_disk' as const }));
        const removed = await evictor.remove(executor, read.get(domain) ?? [], list);
        freed += removed;
        return removed > 0;
      });
    return freed;
  }

  /** Calls `use` with a domain's executor, which is started if necessary and then stopped again. @param use returns whether the caches have changed */
  async #inBuilder(domain: string, use: (executor: Executor) => Promise<boolean>): Promise<void> {
    const lane = await this.#deps.lanes.of(domain);
    const wasUp = lane.isUp;
    try {
      await lane.with(async (executor) => {
        if (await use(executor)) lane.cachesChanged();
      });
    } catch (error) {
      this.#deps.log.warn({ err: error, domain }, 'evicting caches failed');
    }
    if (!wasUp) await lane.rest();
  }

  /** Divides the budget again, and has builders remove what exceeds their share. Never rejects. */
  share(): Promise<void> {
    return this.#next(() => this.#share(), 'dividing the cache budget');
  }

  /** Runs one after the other what removes caches. Never rejects. */
  #next(run: () => Promise<void>, what: string): Promise<void> {
    this.#sharing = this.#sharing
      .then(run)
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, `${what} failed`));
    return this.#sharing;
  }

  async #share(): Promise<void> {
    const shared = this.#deps.budgets.shares();
    if (!shared) return;
    for (const domain of shared.discarded) await this.#discard(domain);
    for (const [domain, bytes] of shared.shares) await this.#fit(domain, bytes);
    await this.#deps.onShares(this.report);
  }

  async #discard(domain: string): Promise<void> {
    const { source, lanes, ledger, published, log, writer, now } = this.#deps;
    const lane = lanes.find(domain);
    if (lane && !(await lane.rest())) return;
    await source.discard(domain);
    ledger.forget(domain);
    this.#applied.delete(domain);
    await published.publish(writer, now());
    log.info({ domain }, 'caches discarded: the budget is too small for this many domains');
  }

  /** Reduces the domain's caches to `bytes`, or restarts its idle builder if the share has changed much. */
  async #fit(domain: string, bytes: number): Promise<void> {
    const { ledger, lanes, caps } = this.#deps;
    const used = ledger.all.get(domain)?.read?.inventory.usedBytes ?? 0;
    const lane = lanes.find(domain);
    const mayCap = Object.keys(caps).length > 0 && lane?.isUp;
    if (used > bytes || mayCap) {
      const own = lane ?? (await lanes.of(domain));
      const wasUp = own.isUp;
      await own.with(async (executor) => {
        const changed = await this.#deps.evictor.evict(executor, await lanes.layersOf(domain), bytes, caps);
        if (changed) own.cachesChanged();
      });
      if (!wasUp) await own.rest();
      if (used > bytes) return;
    }
    const applied = this.#applied.get(domain);
    const isApart = applied !== undefined && Math.abs(applied - bytes) > WORTHWHILE_CHANGE * applied;
    if (lane?.isUp && isApart) await lane.rest();
  }
}
