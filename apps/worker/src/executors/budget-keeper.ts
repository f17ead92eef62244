import type { HostReport } from '@kiln/contracts';
import type { Logger } from '@kiln/runtime';
import type { HostWriter } from '@kiln/state';
import type { DomainBudgets } from '../caches/domain-budgets.ts';
import type { DomainLedger } from '../caches/domain-ledger.ts';
import type { Evictor } from '../caches/evictor.ts';
import type { HostCaches } from '../caches/host-caches.ts';
import type { ExecutorSource } from '../engine/executor.ts';
import type { DomainLanes } from './domain-lanes.ts';

export interface BudgetKeeperDeps {
  readonly source: ExecutorSource;
  readonly budgets: DomainBudgets;
  readonly ledger: DomainLedger;
  readonly published: HostCaches;
  readonly lanes: DomainLanes;
  readonly evictor: Pick<Evictor, 'evict'>;
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
  }

  /** Divides the budget again, and has builders remove what exceeds their share. Never rejects. */
  share(): Promise<void> {
    this.#sharing = this.#sharing
      .then(() => this.#share())
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'dividing the cache budget failed'));
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
    const { ledger, lanes } = this.#deps;
    const used = ledger.all.get(domain)?.read?.inventory.usedBytes ?? 0;
    const lane = lanes.find(domain);
    if (used > bytes) {
      const own = lane ?? (await lanes.of(domain));
      const wasUp = own.isUp;
      await own.with(async (executor) => {
        await this.#deps.evictor.evict(executor, await lanes.layersOf(domain), bytes);
      });
      own.cachesChanged();
      if (!wasUp) await own.rest();
      return;
    }
    const applied = this.#applied.get(domain);
    const isApart = applied !== undefined && Math.abs(applied - bytes) > WORTHWHILE_CHANGE * applied;
    if (lane?.isUp && isApart) await lane.rest();
  }
}
