import { type BuilderCache, builderCaches, chooseEvictions, type Eviction, type EvictionNeed } from '@kiln/domain';
import { type Metrics, NO_METRICS } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import type { EvictionStore, HostEviction, HostWriter, LearnedStore, UsageStore } from '@kiln/state';
import type { Executor } from '../engine/executor.ts';
import { freedOf } from './freed-of.ts';
import type { LayerLedger } from './layer-ledger.ts';

export interface EvictorDeps {
  readonly usages: Pick<UsageStore, 'all'>;
  readonly learned: Pick<LearnedStore, 'load'>;
  readonly evictions: Pick<EvictionStore, 'publish'>;
  readonly writer: HostWriter;
  /** The repo that the host built last, by its cache key, if any. */
  readonly lastBuilt: () => string | undefined;
  readonly metrics?: Metrics | undefined;
  readonly log: Logger;
  readonly now: () => number;
}

type Ledger = Pick<LayerLedger, 'users'>;

/** What the caches of a repo, and of a team, may take in a builder. */
export type EvictionCaps = Pick<EvictionNeed, 'repoCapBytes' | 'teamCapBytes'>;

/** Frees a little more than necessary, so that not every build evicts something. */
const SLACK = 0.05;

/**
 * Keeps a builder's caches within a limit: evicts what is expected to save least per byte, by the demand and the durations that the leader has
 * learned, and never what a build is using. BuildKit's own order, by last use, decides only where nothing is known.
 */
export class Evictor {
  readonly #deps: EvictorDeps;

  constructor(deps: EvictorDeps) {
    this.#deps = deps;
  }

  /**
   * Reduces the caches of a builder to `bytes`, and those of each repo and team to their caps.
   * @returns whether anything may have been removed @throws if BuildKit or Redis doesn't answer
   */
  async evict(executor: Executor, ledger: Ledger, bytes: number, caps: EvictionCaps = {}): Promise<boolean> {
    const { caches, usedBytes } = await this.read(executor, ledger);
    const isOver = usedBytes > bytes;
    const need = { ...caps, ...(isOver && { overBudgetBytes: usedBytes - bytes * (1 - SLACK) }) };
    const freedBytes = await this.remove(executor, caches, chooseEvictions(caches, need, this.#deps.now()));
    // Contexts and what BuildKit keeps for itself aren't caches of repos.
    const isLeft = isOver && usedBytes - freedBytes > bytes;
    if (isLeft) await executor.trim?.(bytes);
    return freedBytes > 0 || isLeft;
  }

  /** Returns a builder's caches with what each is expected to save. An executor that can't remove single caches has none. @throws as `evict` */
  async read(executor: Executor, ledger: Ledger): Promise<{ caches: BuilderCache[]; usedBytes: number }> {
    if (!executor.inventory || !executor.prune) return { caches: [], usedBytes: Number.POSITIVE_INFINITY };
    const { usages, learned, now } = this.#deps;
    const read = await executor.inventory();
    const [used, { pool, repos }] = await Promise.all([usages.all(), learned.load()]);
    const caches = builderCaches({ ...read, layerUsers: ledger.users(), usages: used, pool, repos, now: now() });
    return { caches, usedBytes: read.usedBytes };
  }

  /** Removes chosen caches, and adds them to the list of what the host has evicted. @returns the freed bytes @throws as `evict` */
  async remove(
    executor: Executor,
    caches: readonly BuilderCache[],
    chosen: readonly { readonly cache: { readonly id: string }; readonly reason: Eviction['reason'] }[],
  ): Promise<number> {
    const byId = new Map(caches.map((cache) => [cache.id, cache]));
    const going = chosen.flatMap(({ cache: { id }, reason }) => {
      const cache = byId.get(id);
      return cache ? [{ cache, reason }] : [];
    });
    const roomFor = this.#deps.lastBuilt();
    const freed = await executor.prune?.(going.flatMap(({ cache }) => cache.records));
    const at = this.#deps.now();
    const evicted = going.flatMap(({ cache, reason }): HostEviction[] => {
      const bytes = freedOf(cache.records, freed);
      if (bytes === 0) return [];
      return [{ ...evictionOf(cache, bytes, reason, at), ...(roomFor !== undefined && { roomFor }) }];
    });
    await this.#publish(evicted);
    return evicted.reduce((sum, each) => sum + each.bytes, 0);
  }

  /** A failure is only logged: the list explains, and decides nothing. */
  async #publish(evicted: readonly HostEviction[]): Promise<void> {
    const { evictions, writer, metrics = NO_METRICS, log } = this.#deps;
    for (const each of evicted) {
      const { bytes, reason } = each;
      metrics.count('kiln_cache_evictions_total', 1, { reason });
      metrics.count('kiln_cache_evicted_bytes_total', bytes, { reason });
      log.info({ ...each }, 'cache evicted');
    }
    await evictions
      .publish(writer, evicted)
      .catch((error: unknown) => log.warn({ err: error }, 'publishing the evictions failed'));
  }
}

function evictionOf(
  { id, kind, repo }: BuilderCache,
  bytes: number,
  reason: Eviction['reason'],
  at: number,
): HostEviction {
  return { at, ...(kind !== 'layers' && { mount: id }), ...(repo !== undefined && { repo }), bytes, reason };
}
