import type { Root, SnapshotBook, TreeStore } from '@kiln/blobs';
import { teamOfTreesKey, teamTreesKey, uploadedTrees } from '@kiln/contracts';
import type { BuildStore, StorageLedger } from '@kiln/state';
import type { Digest } from '@kiln/trees';
import type { Logger } from 'pino';

interface SweepDeps {
  readonly trees: Pick<TreeStore, 'teams' | 'sweep'>;
  readonly builds: Pick<BuildStore, 'list'>;
  readonly snapshots: Pick<SnapshotBook, 'roots'>;
  readonly storage: Pick<StorageLedger, 'entry' | 'entries' | 'charge' | 'release'>;
}

/** Queued twice, because a build whose host is lost returns to the queue. */
const IN_FLIGHT = ['queued', 'assigned', 'running', 'queued'] as const;
const PAGE = 200;

/**
 * Deletes what no tree needs any longer, except the trees of builds that haven't ended and of snapshots, and counts what is left for its team. Returns the number of
 * deleted objects.
 */
export async function sweepTrees(
  { trees, builds, snapshots, storage }: SweepDeps,
  now: number,
  log: Logger,
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0;
  const teams = await trees.teams(signal);
  for (const team of teams) {
    const key = teamTreesKey(team);
    const before = (await storage.entry(key))?.sizeBytes ?? 0;
    try {
      const swept = await trees.sweep(team, rootsOf(team, builds, snapshots), signal);
      deleted += swept.deleted;
      // What arrived meanwhile may be counted twice until the next sweep.
      const arrived = ((await storage.entry(key))?.sizeBytes ?? 0) - before;
      const sizeBytes = swept.keptBytes + Math.max(0, arrived);
      if (sizeBytes > 0) await storage.charge(key, sizeBytes, [{ team }]);
      else await storage.release(key);
      if (swept.deleted > 0) log.info({ team, objects: swept.deleted, bytes: swept.deletedBytes }, 'trees swept');
    } catch (error) {
      if (signal.aborted) return deleted;
      // The other teams' trees are swept all the same.
      log.warn({ team, err: error }, 'trees of a team could not be swept');
    }
  }
  for await (const { key } of storage.entries()) {
    const team = teamOfTreesKey(key);
    // A team that is charged since has something by now.
    if (team !== undefined && !teams.has(team)) await storage.release(key, now);
  }
  return deleted;
}

/** The trees of a team's snapshots, and the trees and files of times that its builds in flight need. */
async function* rootsOf(
  team: string,
  builds: Pick<BuildStore, 'list'>,
  snapshots: Pick<SnapshotBook, 'roots'>,
): AsyncGenerator<Root> {
  yield* snapshots.roots(team);
  for (const state of IN_FLIGHT) {
    let cursor: string | undefined;
    do {
      const page = await builds.list({ state, team }, { limit: PAGE, ...(cursor !== undefined && { cursor }) });
      for (const { spec } of page.builds) {
        const contexts = uploadedTrees(spec);
        for (const { digest, times } of spec.source.type === 'upload' ? [spec.source, ...contexts] : contexts) {
          if (digest !== undefined) yield { kind: 'directory', digest: digest as Digest };
          if (times !== undefined) yield { kind: 'file', digest: times as Digest };
        }
      }
      cursor = page.next;
    } while (cursor !== undefined);
  }
}
