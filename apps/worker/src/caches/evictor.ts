import { type BuilderCache, builderCaches, chooseEvictions, type Eviction } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import type { EvictionStore, HostEviction, HostWriter, LearnedStore, UsageStore } from '@kiln/state';
import type { Executor } from '../engine/executor.ts';
import type { LayerLedger } from './layer-ledger.ts';

export interface EvictorDeps {
  readonly usages: Pick<UsageStore, 'all'>;
  readonly learned: Pick<LearnedStore, 'load'>;
  readonly evictions: Pick<EvictionStore, 'publish'>;
  readonly writer: HostWriter;
  readonly log: Logger;
  readonly now: () => number;
}

/** Frees a little more than necessary, so that not every build evicts something. */
const SLACK = 0.05;
/** How many of BuildKit's records are removed at once. */
const BATCH = 200;

/**
 * Keeps a builder's caches within a limit: evicts what is expected to save least per byte, by the demand and the durations that the leader has
 * learned, and never what a build is using. BuildKit's own order, by last use, decides only where nothing is known.
 */
export class Evictor {
  readonly #deps: EvictorDeps;

  constructor(deps: EvictorDeps) {
    this.#deps = deps;
  }

  /** Reduces the caches of a builder to `bytes`. @throws if BuildKit or Redis doesn't answer */
  async evict(executor: Executor, ledger: Pick<LayerLedger, 'users'>, bytes: number): Promise<void> {
    if (!executor.inventory || !executor.prune) return executor.trim?.(bytes);
    const { usages, learned, now } = this.#deps;
    const read = await executor.inventory();
    if (read.usedBytes <= bytes) return;
    const [used, { pool, repos }] = await Promise.all([usages.all(), learned.load()]);
    const caches = builderCaches({ ...read, layerUsers: ledger.users(), usages: used, pool, repos, now: now() });
    const chosen = chooseEvictions(caches, { overBudgetBytes: read.usedBytes - bytes * (1 - SLACK) }, now());
    const records = new Map(caches.map((cache: BuilderCache) => [cache.id, cache.records]));
    const evicted: HostEviction[] = [];
    for (const { cache, reason } of chosen) {
      const freed = await this.#prune(executor, records.get(cache.id) ?? []);
      if (freed > 0) evicted.push(evictionOf(cache, freed, reason, now()));
    }
    await this.#publish(evicted);
    // Contexts and what BuildKit keeps for itself aren't caches of repos.
    const freedBytes = evicted.reduce((sum, each) => sum + each.bytes, 0);
    if (read.usedBytes - freedBytes > bytes) await executor.trim?.(bytes);
  }

  async #prune(executor: Executor, records: readonly string[]): Promise<number> {
    let freed = 0;
    for (let i = 0; i < records.length; i += BATCH) freed += (await executor.prune?.(records.slice(i, i + BATCH))) ?? 0;
    return freed;
  }

  /** A failure is only logged: the list explains, and decides nothing. */
  async #publish(evicted: readonly HostEviction[]): Promise<void> {
    const { evictions, writer, log } = this.#deps;
    for (const each of evicted) log.info({ ...each }, 'cache evicted');
    await evictions
      .publish(writer, evicted)
      .catch((error: unknown) => log.warn({ err: error }, 'publishing the evictions failed'));
  }
}

function evictionOf(
  { id, kind, repo }: Eviction['cache'],
  bytes: number,
  reason: Eviction['reason'],
  at: number,
): HostEviction {
  return { at, ...(kind !== 'layers' && { mount: id }), ...(repo !== undefined && { repo }), bytes, reason };
}
