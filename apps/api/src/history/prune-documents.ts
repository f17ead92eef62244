import type { BlobStore, ListedBlob } from '@kiln/blobs';
import { HISTORY_PREFIX, historyEnd } from '@kiln/contracts';
import type { HistoryStore } from '@kiln/state';
import { pMapIterable } from 'p-map';
import type { Logger } from 'pino';

/** A younger blob may have builds that are about to be shrunk, ms. Far longer than a claim lasts. */
const YOUNG_MS = 3_600_000;
const AT_ONCE = 16;

/**
 * Deletes the documents of builds that Redis has purged, and unreferenced documents of the same age. Returns the number of deleted blobs.
 * Nothing is deleted before Redis has purged a build.
 */
export async function pruneDocuments(
  history: Pick<HistoryStore, 'purgedUpTo'>,
  blobs: Pick<BlobStore, 'list' | 'delete'>,
  now: number,
  log: Logger,
  signal: AbortSignal,
): Promise<number> {
  const purgedUpTo = await history.purgedUpTo();
  const prune = async ({ key, usedAt }: ListedBlob): Promise<number> => {
    const newestEnd = historyEnd(key);
    if (signal.aborted || newestEnd === undefined || newestEnd >= purgedUpTo) return 0;
    if (now - usedAt <= YOUNG_MS) return 0;
    await blobs.delete(key);
    return 1;
  };
  let deleted = 0;
  for await (const count of pMapIterable(blobs.list(HISTORY_PREFIX), prune, { concurrency: AT_ONCE })) {
    deleted += count;
    if (signal.aborted) break;
  }
  if (deleted > 0) log.info({ deleted, purgedUpTo }, 'documents of purged builds deleted');
  return deleted;
}
