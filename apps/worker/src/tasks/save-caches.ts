import { SnapshotWriter } from '@kiln/blobs';
import { cacheNamespace, MountUnreachable } from '@kiln/buildkit';
import { mountKind, readCacheKey, readMountId } from '@kiln/domain';
import type { Logger } from '@kiln/runtime';
import type { Executor } from '../engine/executor.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import { TaskFailed, type TaskHandler } from './task-handler.ts';

/** What saving and seeding need. */
export interface SnapshotTaskDeps {
  readonly host: string;
  readonly snapshots: SnapshotStore;
  readonly executors: {
    readonly domains: readonly string[];
    with(domain: string, use: (executor: Executor) => Promise<void>): Promise<void>;
  };
  readonly log: Logger;
}

/** How often progress is reported, ms. */
const PROGRESS_MS = 1_000;

/**
 * Saves the cache mounts of a repo: those in the namespace of its own. A mount that can't be read is left out, and named in the result. Repeating it stores only
 * what isn't stored yet.
 */
export function saveCaches({ host, snapshots, executors, log }: SnapshotTaskDeps): TaskHandler<'save'> {
  return async ({ repo, domain, snapshot: id, mounts: wanted }, { signal, progress }) => {
    const done = await snapshots.find(id);
    if (done) return { snapshot: id, storedBytes: done.storedBytes, mounts: done.mounts.length };
    const owner = readCacheKey(repo);
    const namespace = cacheNamespace({ ...owner, repo, scope: 'repo' });
    const left: { id: string; reason: string }[] = [];
    let bytes = 0;
    let reportedAt = 0;
    let totalBytes = 0;
    const writer = new SnapshotWriter(snapshots.target(owner.team), (stored) => {
      bytes += stored;
      if (performance.now() - reportedAt < PROGRESS_MS) return;
      reportedAt = performance.now();
      void progress({ bytes, totalBytes: Math.max(totalBytes, bytes) });
    });
    if (!executors.domains.includes(domain))
      throw new TaskFailed('snapshot_refused', `host ${host} has no caches of ${owner.repo}`);
    await executors.with(domain, async (executor) => {
      const { inventory, saveMount } = executor;
      if (!inventory || !saveMount) throw new TaskFailed('snapshot_refused', 'this host has no caches to save');
      const held = (await inventory.call(executor)).mounts.filter((mount) => {
        const parts = readMountId(mount.id);
        return parts.namespace === namespace && (wanted?.includes(parts.name) ?? true);
      });
      if (held.length === 0)
        throw new TaskFailed('snapshot_refused', `host ${host} has no cache mounts of ${owner.repo}`);
      totalBytes = held.reduce((sum, mount) => sum + mount.bytes, 0);
      for (const { id: mountId } of held) {
        const { name } = readMountId(mountId);
        try {
          let stored: Awaited<ReturnType<SnapshotWriter['addMount']>> | undefined;
          const read = await saveMount.call(
            executor,
            { namespace, id: name },
            async (tar) => {
              stored = await writer.addMount({ id: name, kind: mountKind(name) }, tar);
            },
            signal,
          );
          if (stored) writer.keep({ ...stored, ...read });
        } catch (error) {
          if (!(error instanceof MountUnreachable)) throw error;
          log.warn({ err: error, mount: mountId }, 'cache mount not saved');
          left.push({ id: name, reason: error.message });
        }
      }
    });
    const { root, manifest } = await writer.finish();
    if (manifest.mounts.length === 0)
      throw new TaskFailed('snapshot_refused', left[0]?.reason ?? `host ${host} has no cache mounts of ${owner.repo}`);
    const { team, trust } = owner;
    const saved = await snapshots.add({ id, repo: owner.repo, team, trust, root, host, manifest });
    return { snapshot: id, storedBytes: saved.storedBytes, mounts: saved.mounts.length, bytes, left };
  };
}
