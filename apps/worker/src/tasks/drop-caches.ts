import { cacheNamespace } from '@kiln/buildkit';
import type { DropTask } from '@kiln/contracts';
import { domainOfKey, type Isolation, mountKind, readCacheKey, readMountId } from '@kiln/domain';
import type { Executor, ExecutorInventory } from '../engine/executor.ts';
import type { TaskHandler } from './task-handler.ts';

type Mount = ExecutorInventory['mounts'][number];

/** What dropping needs of `HostExecutors`. */
export interface DropDeps {
  readonly isolation: Isolation;
  readonly domains: readonly string[];
  with(domain: string, use: (executor: Executor) => Promise<void>): Promise<void>;
}

/** Removes caches of builders as an order says. */
export function dropCaches(executors: DropDeps): TaskHandler<'drop'> {
  return async (order) => {
    let freedBytes = 0;
    const dropped: string[] = [];
    for (const domain of domainsOf(order, executors)) {
      await executors.with(domain, async (executor) => {
        const { mounts = [] } = (await executor.inventory?.()) ?? {};
        const wanted = mounts.filter((mount) => isWanted(mount, order));
        freedBytes += (await executor.prune?.(wanted.flatMap(({ records }) => records))) ?? 0;
        dropped.push(...wanted.map(({ id }) => id));
      });
    }
    return { freedBytes, dropped };
  };
}

function domainsOf({ domain, repo }: DropTask, { domains, isolation }: DropDeps): readonly string[] {
  const own = repo === undefined ? domain : domainOfKey(repo, isolation);
  return domains.filter((one) => own === undefined || one === own);
}

function isWanted({ id, inUse }: Mount, { repo, mounts, kinds }: DropTask): boolean {
  const { namespace, name } = readMountId(id);
  const ofRepo =
    repo === undefined || namespace === cacheNamespace({ repo, team: readCacheKey(repo).team, scope: 'repo' });
  return (
    !inUse && ofRepo && (mounts?.includes(name) ?? true) && (kinds?.some((kind) => kind === mountKind(name)) ?? true)
  );
}
