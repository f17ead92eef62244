import { logOfPiece } from '@kiln/contracts';
import type { BlobStore, LogStore } from '@kiln/state';
import type { Logger } from 'pino';
import type { ArchivedLogs } from './archived-logs.ts';

/** A piece is noted within the time of a claim after it was written, or never: one that is older and isn't belongs to nobody. */
const ORPHANED_MS = 3_600_000;

export interface PieceClearing {
  readonly logs: Pick<LogStore, 'pieces' | 'exists'>;
  readonly blobs: Pick<BlobStore, 'list' | 'stat' | 'delete'>;
  readonly archive: Pick<ArchivedLogs, 'exists'>;
  readonly log: Logger;
}

/**
 * Deletes pieces of logs that nobody reads any more: those of a process that died before it could note them, and those of archived logs. Where
 * Redis knows nothing of a log, and no archive has it, its pieces are all that is left: they stay for as long as logs do. Answers how many went.
 */
export async function clearPieces(
  { logs, blobs, archive, log }: PieceClearing,
  now: number,
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0;
  for await (const key of blobs.list('logs')) {
    if (signal.aborted) break;
    const ref = logOfPiece(key);
    const info = ref && (await blobs.stat(key));
    if (!ref || !info || now - info.usedAt <= ORPHANED_MS) continue;
    const isNoted = (await logs.pieces(ref.buildId, ref.attempt)).some((piece) => piece.key === key);
    const isOrphan = (await archive.exists(ref)) || (!isNoted && (await logs.exists(ref.buildId, ref.attempt)));
    if (!isOrphan) continue;
    await blobs.delete(key);
    deleted += 1;
    log.info({ key, sizeBytes: info.sizeBytes }, 'piece of a log cleared away');
  }
  return deleted;
}
