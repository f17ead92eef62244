import { setTimeout as delay } from 'node:timers/promises';
import type { DropResult, DropTask } from '@kiln/contracts';
import { domainOfKey, type Isolation } from '@kiln/domain';
import type { UsageStore } from '@kiln/state';
import { freedOf } from '../caches/freed-of.ts';
import type { LayerLedger } from '../caches/layer-ledger.ts';
import type { Executor } from '../engine/executor.ts';
import type { ActiveBuilds } from '../executors/active-builds.ts';
import { chooseDrops, type DropTarget } from './choose-drops.ts';
import type { TaskContext, TaskHandler } from './task-handler.ts';

/** What dropping needs of `HostExecutors`. */
export interface DropDeps {
  readonly isolation: Isolation;
  readonly domains: readonly string[];
  readonly active: ActiveBuilds;
  readonly usages: Pick<UsageStore, 'of' | 'all'>;
  layersOf(domain: string): Promise<Pick<LayerLedger, 'users'>>;
  with(domain: string, use: (executor: Executor) => Promise<void>): Promise<void>;
}

/** How often mounts in use are looked at again without the end of a build, ms: BuildKit releases them a little later. */
const LOOK_AGAIN_MS = 500;
/** How many caches a result names. */
const MAX_NAMED = 100;

/**
 * Removes caches of builders as an order says, and only these. What a build uses is removed when that build ends, if the order names a
 * repo; until then no further build of the repo begins. An order without a repo leaves out what is in use.
 */
export function dropCaches(executors: DropDeps, now: () => number): TaskHandler<'drop'> {
  return async (order, context) => {
    const result = new Tally();
    using _ = order.repo === undefined || order.dryRun ? nothing : executors.active.hold(order.repo);
    for (const domain of domainsOf(order, executors)) await dropIn(domain, order, { executors, now, context, result });
    return { ...result.done };
  };
}

const nothing: Disposable = { [Symbol.dispose]: () => {} };

function domainsOf({ domain, repo }: DropTask, { domains, isolation }: DropDeps): readonly string[] {
  const own = repo === undefined ? domain : domainOfKey(repo, isolation);
  return domains.filter((one) => (own === undefined || one === own) && (domain === undefined || one === domain));
}

interface Drop {
  readonly executors: DropDeps;
  readonly now: () => number;
  readonly context: TaskContext;
  readonly result: Tally;
}

async function dropIn(domain: string, order: DropTask, { executors, now, context, result }: Drop): Promise<void> {
  const usages =
    order.repo === undefined
      ? await executors.usages.all()
      : [await executors.usages.of(order.repo)].filter((usage) => usage !== undefined);
  /** Records that there were at first: what later builds create isn't covered by the order. */
  let covered: ReadonlySet<string> | undefined;
  for (;;) {
    context.signal.throwIfAborted();
    let left: readonly DropTarget[] = [];
    await executors.with(domain, async (executor) => {
      if (!executor.inventory || !executor.prune) return;
      const layerUsers = (await executors.layersOf(domain)).users();
      const inventory = await executor.inventory();
      const { targets, shared } = chooseDrops(order, { domain, inventory, layerUsers, usages, now: now() });
      covered ??= new Set(targets.flatMap(({ records }) => records));
      result.share(shared);
      const wanted = targets.map((target) => ({ ...target, records: target.records.filter((id) => covered?.has(id)) }));
      if (order.dryRun) {
        for (const target of wanted) if (!target.inUse) result.drop(target, target.bytes);
      } else {
        await prune(executor, wanted, result);
      }
      left = wanted.filter(({ inUse, records }) => inUse && records.length > 0);
      if (order.repo === undefined || order.dryRun) result.keep(left.map(({ id }) => id));
    });
    if (left.length === 0 || order.repo === undefined || order.dryRun) return;
    await waitFor(order, left, { executors, context, result });
  }
}

/** Removes the records that aren't in use. */
async function prune(executor: Executor, targets: readonly DropTarget[], result: Tally): Promise<void> {
  const freed = await executor.prune?.(targets.flatMap(({ records }) => records));
  for (const target of targets) {
    const bytes = freedOf(target.records, freed);
    // The build that used it may have ended since that was read.
    if (target.inUse ? bytes > 0 : target.records.length > 0) result.drop(target, bytes);
  }
}

async function waitFor(
  { repo }: DropTask,
  left: readonly DropTarget[],
  { executors, context, result }: Pick<Drop, 'executors' | 'context' | 'result'>,
): Promise<void> {
  const ids = left.map(({ id }) => id);
  const [build] = executors.active.using(repo, ids);
  const what = build === undefined ? 'in use' : `in use by build ${build}`;
  await context.progress({ bytes: result.done.freedBytes, note: `${what}; dropped when it ends` });
  context.park();
  const stopped = new AbortController();
  const signal = AbortSignal.any([context.signal, stopped.signal]);
  await Promise.race([
    build === undefined ? Promise.resolve() : executors.active.changed,
    delay(LOOK_AGAIN_MS * 10, undefined, { signal }).catch(() => undefined),
  ]);
  if (build === undefined) await delay(LOOK_AGAIN_MS, undefined, { signal }).catch(() => undefined);
  stopped.abort();
}

/** Adds up what was dropped. */
class Tally {
  readonly #dropped = new Map<string, number>();
  readonly #shared = new Set<string>();
  readonly #inUse = new Set<string>();
  #freedBytes = 0;

  drop({ id }: DropTarget, bytes: number): void {
    this.#dropped.set(id, (this.#dropped.get(id) ?? 0) + bytes);
    this.#freedBytes += bytes;
  }

  share(ids: readonly string[]): void {
    for (const id of ids) this.#shared.add(id);
  }

  keep(ids: readonly string[]): void {
    for (const id of ids) if (!this.#dropped.has(id)) this.#inUse.add(id);
  }

  get done(): DropResult {
    return {
      freedBytes: this.#freedBytes,
      caches: this.#dropped.size,
      dropped: [...this.#dropped].slice(0, MAX_NAMED).map(([id, bytes]) => ({ id, bytes })),
      shared: [...this.#shared].slice(0, MAX_NAMED),
      inUse: [...this.#inUse].slice(0, MAX_NAMED),
    };
  }
}
