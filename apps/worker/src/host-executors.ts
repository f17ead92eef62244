import type { HostReport } from '@kiln/contracts';
import type { Outcome, Trust } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import { type HostWriter, InventoryStore, UsageStore } from '@kiln/state';
import { CacheReporter } from './cache-reporter.ts';
import { EngineWatch, withEngineWatch } from './engine-watch.ts';
import type { ExecuteRequest, Executor } from './executor.ts';
import { HostCaches } from './host-caches.ts';
import { LayerLedger } from './layer-ledger.ts';
import { reportingCaches } from './report-caches.ts';

export interface HostExecutorsOptions {
  /** One for each class of trust that the host keeps apart. */
  readonly executors: readonly [Executor, ...Executor[]];
  readonly redis: ConstructorParameters<typeof InventoryStore>[0];
  readonly keys: ConstructorParameters<typeof InventoryStore>[1];
  readonly writer: HostWriter;
  /** File of the trusted builder's layer ledger; those of others lie beside it. Without, they are forgotten with the process. */
  readonly ledgerFile: string | undefined;
  readonly inventoryEveryMs: number;
  readonly engineCheckEveryMs: number;
  /** The classes that answer have changed; `accepting`: whether any does. */
  onOffer(offer: Pick<HostReport, 'trust' | 'accepting'>): Promise<void>;
  readonly log: Logger;
  readonly now: () => number;
}

/** One class's executor, with what looks after it. */
interface Lane {
  readonly executor: Executor;
  /** The executor, as attempts see it. */
  readonly running: Pick<Executor, 'run'>;
  /** Undefined where the executor has no caches. */
  readonly caches: CacheReporter | undefined;
  /** Undefined where the executor has nothing that could be away. */
  readonly watch: EngineWatch | undefined;
  answers: boolean;
}

/** What a host runs builds with: for each class of trust that it keeps apart an executor, with caches and a watch of its own. */
export class HostExecutors {
  readonly #options: HostExecutorsOptions;
  readonly #lanes: ReadonlyMap<Trust, Lane>;

  private constructor(options: HostExecutorsOptions, lanes: ReadonlyMap<Trust, Lane>) {
    this.#options = options;
    this.#lanes = lanes;
  }

  static async open(options: HostExecutorsOptions): Promise<HostExecutors> {
    const lanes = new Map<Trust, Lane>();
    const opened = new HostExecutors(options, lanes);
    const published = new HostCaches(new InventoryStore(options.redis, options.keys));
    for (const executor of options.executors) {
      const trust = trustOf(executor);
      if (lanes.has(trust)) throw new RangeError(`two executors of ${trust} builds`);
      const ledger = await LayerLedger.open(ledgerFileOf(options.ledgerFile, trust));
      lanes.set(trust, opened.#lane(executor, trust, ledger, published));
    }
    return opened;
  }

  #lane(executor: Executor, trust: Trust, ledger: LayerLedger, published: HostCaches): Lane {
    const { redis, keys, writer, inventoryEveryMs, engineCheckEveryMs, now } = this.#options;
    const log = this.#options.log.child({ trust });
    const caches =
      executor.inventory &&
      new CacheReporter(
        {
          writer,
          inventory: executor.inventory.bind(executor),
          inventories: published.of(trust),
          usages: new UsageStore(redis, keys),
          ledger,
          log,
        },
        inventoryEveryMs,
      );
    const watch =
      executor.ping &&
      new EngineWatch({
        check: executor.ping.bind(executor),
        onChange: (isThere) => this.#answers(trust, isThere),
        everyMs: engineCheckEveryMs,
        log,
      });
    const reporting = caches ? reportingCaches(executor, caches, now) : executor;
    const running = watch ? withEngineWatch(reporting, watch) : reporting;
    return { executor, running, caches, watch, answers: true };
  }

  /** What the host's report says of them. */
  get report(): Pick<
    HostReport,
    | 'platforms'
    | 'driver'
    | 'trust'
    | 'engineVersion'
    | 'buildxVersion'
    | 'buildkitVersion'
    | 'cacheBudgetBytes'
    | 'cacheBudgets'
    | 'cacheBudgetFrom'
  > {
    const infos = this.#options.executors.map(({ info }) => info);
    const [{ info: first }] = this.#options.executors;
    const budgets = this.#options.executors.flatMap((executor) => {
      const { cacheBudget } = executor.info;
      return cacheBudget ? [[trustOf(executor), cacheBudget.bytes] as const] : [];
    });
    return {
      // What every class can be built for: placement doesn't ask for a class's own.
      platforms: first.platforms.filter((platform) => infos.every(({ platforms }) => platforms.includes(platform))),
      driver: first.driver,
      trust: [...this.#lanes.keys()],
      engineVersion: first.engineVersion,
      buildxVersion: first.buildxVersion,
      ...(first.buildkitVersion !== undefined && { buildkitVersion: first.buildkitVersion }),
      ...(budgets.length > 0 && {
        cacheBudgetBytes: budgets.reduce((sum, [, bytes]) => sum + bytes, 0),
        cacheBudgets: Object.fromEntries(budgets),
      }),
      ...(first.cacheBudget && { cacheBudgetFrom: first.cacheBudget.from }),
    };
  }

  /** Runs an attempt on the executor of its class, and on no other. */
  async run(request: ExecuteRequest, signal: AbortSignal): Promise<Outcome> {
    const lane = this.#lanes.get(request.trust);
    if (!lane) {
      const message = `this host has no builder of ${request.trust} builds`;
      return { end: 'failed', failure: { code: 'infrastructure', message } };
    }
    return lane.running.run(request, signal);
  }

  async extendFence(untilMs: number): Promise<void> {
    await Promise.all(this.#options.executors.map((executor) => executor.extendFence(untilMs)));
  }

  /** Reads the caches and reports them, unless that is under way. */
  cachesWanted(): void {
    for (const { caches } of this.#lanes.values()) caches?.wanted();
  }

  /** Looks after them no longer; what has ended so far is reported first, within `withinMs`. */
  async closeCaches(withinMs: number): Promise<void> {
    await Promise.all([...this.#lanes.values()].map(({ caches }) => caches?.close(withinMs)));
  }

  abandonCaches(): void {
    for (const { caches } of this.#lanes.values()) caches?.abandon();
  }

  stopWatching(): void {
    for (const { watch } of this.#lanes.values()) watch?.stop();
  }

  /** A builder that is away takes its class from the host, not the host from the pool: untrusted builds can't close it to others. */
  async #answers(trust: Trust, isThere: boolean): Promise<void> {
    const lane = this.#lanes.get(trust);
    if (lane) lane.answers = isThere;
    const there = [...this.#lanes].filter(([, { answers }]) => answers).map(([name]) => name);
    const accepting = there.length > 0;
    await this.#options.onOffer({ trust: accepting ? there : [...this.#lanes.keys()], accepting });
  }
}

function trustOf({ info }: Executor): Trust {
  return info.trust ?? 'trusted';
}

function ledgerFileOf(path: string | undefined, trust: Trust): string | undefined {
  return path === undefined || trust === 'trusted' ? path : `${path}.${trust}`;
}
