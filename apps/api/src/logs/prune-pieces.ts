import type { BlobStore } from '@kiln/blobs';
import { logOfPiece } from '@kiln/contracts';
import type { LogStore } from '@kiln/state';
import type { Logger } from 'pino';
import type { ArchivedLogs } from './archived-logs.ts';

/** Age from which a piece that isn't recorded is orphaned, ms: pieces are recorded within the time of a claim, or never. */
const ORPHANED_MS = 3_600_000;

export interface PrunePiecesDeps {
  readonly logs: Pick<LogStore, 'pieces' | 'exists'>;
  readonly blobs: Pick<BlobStore, 'list' | 'delete'>;
  readonly archive: Pick<ArchivedLogs, 'exists'>;
  readonly log: Logger;
}

/**
 * Deletes pieces of logs that are no longer read: those of a process that died before it recorded them, and those of archived logs. Pieces of
 * a log that is neither in Redis nor archived are kept as long as logs are, since nothing else is left of it. Returns the number of deleted
 * pieces.
 */
export async function prunePieces(
  { logs, blobs, archive, log }: PrunePiecesDeps,
  now: number,
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0;
  for await (const { key, sizeBytes, usedAt } of blobs.list('logs')) {
    if (signal.aborted) break;
    const ref = logOfPiece(key);
    if (!ref || now - usedAt <= ORPHANED_MS) continue;
    const isRecorded = (await logs.pieces(ref.buildId, ref.attempt)).some((piece) => piece.key === key);
    const isOrphan = (await archive.exists(ref)) || (!isRecorded && (await logs.exists(ref.buildId, ref.attempt)));
    if (!isOrphan) continue;
    await blobs.delete(key);
    deleted += 1;
    log.info({ key, sizeBytes }, 'orphaned log piece deleted');
  }
  return deleted;
}
