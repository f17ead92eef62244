import { createHash } from 'node:crypto';
import type { HostWriter, LearnedStore, SavingStore, UsageStore } from '@kiln/state';
import { CacheReporter } from '../caches/cache-reporter.ts';
import type { DomainLedger } from '../caches/domain-ledger.ts';
import type { HostCaches } from '../caches/host-caches.ts';
import { LayerLedger } from '../caches/layer-ledger.ts';
import type { Executor, ExecutorSource } from '../engine/executor.ts';
import { DomainLane, type DomainLaneDeps } from './domain-lane.ts';

export interface DomainLanesDeps
  extends Pick<DomainLaneDeps, 'fenceMs' | 'checkEveryMs' | 'idleMs' | 'healing' | 'onIncident' | 'log' | 'now'> {
  readonly source: ExecutorSource;
  readonly ledger: DomainLedger;
  readonly published: HostCaches;
  readonly usages: UsageStore;
  readonly learned: LearnedStore;
  readonly savings: Pick<SavingStore, 'learn'>;
  readonly writer: HostWriter;
  /** File of the layer ledger of domain `trusted`; those of other domains are stored beside it. Undefined: ledgers are lost with the process. */
  readonly ledgerFile: string | undefined;
  readonly inventoryEveryMs: number;
  /** Brings the domain's executor up. */
  open(domain: string): Promise<Executor>;
  /** Called when a domain's executor stops or starts answering, with all domains that don't answer. */
  onAway(domains: readonly string[]): Promise<void>;
}

/** The lanes of a host by isolation domain, each created when it is first needed. */
export class DomainLanes {
  readonly #deps: DomainLanesDeps;
  readonly #lanes = new Map<string, DomainLane>();
  readonly #away = new Set<string>();
  readonly #ledgers = new Map<string, LayerLedger>();

  constructor(deps: DomainLanesDeps) {
    this.#deps = deps;
  }

  get all(): readonly DomainLane[] {
    return [...this.#lanes.values()];
  }

  /** The domain's lane, if it has been needed so far. */
  find(domain: string): DomainLane | undefined {
    return this.#lanes.get(domain);
  }

  async of(domain: string): Promise<DomainLane> {
    const known = this.#lanes.get(domain);
    if (known) return known;
    const { source, ledgerFile, fenceMs, checkEveryMs, idleMs, healing, onIncident, now } = this.#deps;
    const log = this.#deps.log.child({ domain });
    const layers = await LayerLedger.open(layersFile(ledgerFile, domain));
    // Another build of the domain may have created it meanwhile.
    const other = this.#lanes.get(domain);
    if (other) return other;
    const lane = new DomainLane({
      ...{ domain, fenceMs, checkEveryMs, healing, onIncident, now, log },
      whyDown: source.whyDown?.bind(source),
      idleMs: source.info.oneDomain ? undefined : idleMs,
      open: () => this.#deps.open(domain),
      stop: () => source.stop(domain),
      caches: (executor) => this.#reporter(domain, executor, layers),
      onAway: (isAway) => this.#setAway(domain, isAway),
    });
    this.#lanes.set(domain, lane);
    this.#ledgers.set(domain, layers);
    return lane;
  }

  /** The layer ledger of a domain. */
  async layersOf(domain: string): Promise<LayerLedger> {
    await this.of(domain);
    const layers = this.#ledgers.get(domain);
    if (!layers) throw new Error(`no layer ledger of ${domain}`);
    return layers;
  }

  /** Ends the saving of layer ledgers. */
  async closeLedgers(): Promise<void> {
    await Promise.all([...this.#ledgers.values()].map((ledger) => ledger.close()));
  }

  #reporter(domain: string, executor: Executor, layers: LayerLedger): CacheReporter | undefined {
    if (!executor.inventory) return undefined;
    const { writer, published, usages, learned, ledger, inventoryEveryMs } = this.#deps;
    return new CacheReporter(
      {
        ...{ writer, usages, ledger: layers },
        inventory: executor.inventory.bind(executor),
        inventories: published.of(domain),
        learned: async ({ repo, endedAt }, share) => {
          const savedMs = await learned.savedByCaches(repo);
          ledger.saved(domain, savedMs, endedAt);
          if (share > 0) await this.#deps.savings.learn(writer, repo, savedMs * share, endedAt);
        },
        log: this.#deps.log.child({ domain }),
      },
      inventoryEveryMs,
    );
  }

  /** Reports the domain as away, not the whole host: otherwise one team's builds could close the host to the others. */
  async #setAway(domain: string, isAway: boolean): Promise<void> {
    if (isAway) this.#away.add(domain);
    else this.#away.delete(domain);
    await this.#deps.onAway([...this.#away]);
  }
}

function layersFile(path: string | undefined, domain: string): string | undefined {
  if (path === undefined || domain === 'trusted') return path;
  const name = domain === 'untrusted' ? domain : createHash('sha256').update(domain).digest('hex').slice(0, 20);
  return `${path}.${name}`;
}
