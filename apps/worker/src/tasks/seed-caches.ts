import { mountContent, readManifest, SnapshotInvalid } from '@kiln/blobs';
import { cacheNamespace } from '@kiln/buildkit';
import { domainText, mayFill, readCacheKey, readDomain } from '@kiln/domain';
import { type Digest, TreePartMissing, type TreeReader } from '@kiln/trees';
import type { SnapshotTaskDeps } from './save-caches.ts';
import { TaskFailed, type TaskHandler } from './task-handler.ts';

/**
 * Fills those cache mounts of a repo that the builder doesn't have from a snapshot. Each is there whole or not at all; one that is there already stays as it is, so
 * repeating this does only what is left.
 */
export function seedCaches({
  snapshots,
  executors,
  trees,
}: SnapshotTaskDeps & { trees(team: string): TreeReader }): TaskHandler<'seed'> {
  return async ({ repo, domain, snapshot: id }, { signal, progress }) => {
    const owner = readCacheKey(repo);
    const snapshot = await snapshots.find(id);
    if (!snapshot) throw new TaskFailed('snapshot_not_found', `there is no snapshot ${id}`);
    // The API has checked the same; but what a trusted builder takes is checked where it takes it.
    const into = readDomain(domain);
    const isOwn = into?.trust === owner.trust && (into.team === undefined || into.team === owner.team);
    if (snapshot.team !== owner.team || !isOwn)
      throw new TaskFailed('snapshot_refused', `snapshot ${id} is not one of ${domainText(domain)}`);
    if (!mayFill(snapshot, owner))
      throw new TaskFailed(
        'snapshot_refused',
        `snapshot ${id} is of untrusted builds, and would fill caches of trusted ones`,
      );
    const namespace = cacheNamespace({ ...owner, repo, scope: 'repo' });
    const reader = trees(owner.team);
    const manifest = await readManifest(reader, snapshot.root as Digest, signal).catch(explain);
    const totalBytes = manifest.mounts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const seeded: string[] = [];
    const kept: string[] = [];
    let bytes = 0;
    await executors.with(domain, async (executor) => {
      if (!executor.seedMount) throw new TaskFailed('snapshot_refused', 'this host has no caches to fill');
      for (const mount of manifest.mounts) {
        await progress({ bytes, totalBytes });
        const { sizeBytes, owner: set } = mount;
        const tar = { sizeBytes, content: mountContent(reader, mount, signal) };
        const outcome = await executor.seedMount({ namespace, id: mount.id, owner: set }, tar, signal).catch(explain);
        (outcome === 'seeded' ? seeded : kept).push(mount.id);
        bytes += sizeBytes;
      }
    });
    return { snapshot: id, seeded, kept, bytes };
  };
}

function explain(error: unknown): never {
  if (error instanceof SnapshotInvalid)
    throw new TaskFailed('snapshot_refused', `the snapshot is damaged: ${error.message}`);
  if (error instanceof TreePartMissing)
    throw new TaskFailed('snapshot_not_found', `the snapshot is not complete: ${error.message}`);
  throw error;
}
