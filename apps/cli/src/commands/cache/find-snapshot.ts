import type { KilnClient } from '@kiln/client';
import { type SnapshotView, snapshotId } from '@kiln/contracts';
import { readParts, type TreeReader } from '@kiln/trees';
import { UsageError } from '../../io/errors.ts';

/** Returns the snapshot with an id, or the newest one of a repo. @throws UsageError @throws KilnProblem */
export async function findSnapshot(client: KilnClient, named: string, team: string | undefined): Promise<SnapshotView> {
  if (snapshotId.safeParse(named).success) return client.snapshot(named);
  const [newest] = await client.snapshots({ repo: named, team });
  if (newest) return newest;
  throw new UsageError(`${JSON.stringify(named)} has no snapshot: make one with kiln snapshot create`);
}

/** Reads a team's trees through the API. */
export function treesOf(client: KilnClient, team: string): TreeReader {
  return {
    read: ({ directories, files }, signal) =>
      readParts(
        client.readTreeParts({ directories: [...directories], files: [...files] }, { team, ...(signal && { signal }) }),
      ),
  };
}
