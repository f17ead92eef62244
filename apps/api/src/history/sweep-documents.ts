import { HISTORY_PREFIX, historyEnd } from '@kiln/contracts';
import { pMapIterable } from 'p-map';
import type { Logger } from 'pino';
import type { Blobs, History } from '../ports.ts';

/** A blob younger than that may be one whose builds are about to be shrunk. Far longer than a claim holds. */
const YOUNG_MS = 3_600_000;
const AT_ONCE = 16;

/**
 * Deletes the documents of purged builds, and with them those of their time that nothing ever named. Answers how
 * many blobs went. Deletes nothing while Redis has purged nothing.
 */
export async function sweepDocuments(
  history: Pick<History, 'purgedUpTo'>,
  blobs: Pick<Blobs, 'list' | 'stat' | 'delete'>,
  now: number,
  log: Logger,
  signal: AbortSignal,
): Promise<number> {
  const purgedUpTo = await history.purgedUpTo();
  const sweep = async (key: string): Promise<number> => {
    const newestEnd = historyEnd(key);
    if (signal.aborted || newestEnd === undefined || newestEnd >= purgedUpTo) return 0;
    const info = await blobs.stat(key);
    if (!info || now - info.usedAt <= YOUNG_MS) return 0;
    await blobs.delete(key);
    return 1;
  };
  let deleted = 0;
  for await (const count of pMapIterable(blobs.list(HISTORY_PREFIX), sweep, { concurrency: AT_ONCE })) {
    deleted += count;
    if (signal.aborted) break;
  }
  if (deleted > 0) log.info({ deleted, purgedUpTo }, 'documents of purged builds deleted');
  return deleted;
}
