import type { SnapshotView } from '@kiln/contracts';
import type { SavedSnapshot } from './snapshot-store.ts';

/** Returns the record of a snapshot that was made now. */
export function snapshotRecord({ manifest, ...snapshot }: SavedSnapshot): Omit<SnapshotView, 'format'> {
  const { mounts } = manifest;
  const chunks = mounts.flatMap((mount) => mount.chunks);
  return {
    ...snapshot,
    createdAt: new Date().toISOString(),
    storedBytes: chunks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    mounts: mounts.map(({ id, kind, sizeBytes, entries, changed }) => ({ id, kind, sizeBytes, entries, changed })),
  };
}
