import type { BlobStore } from '@kiln/blobs';
import type { LogName, LogStore } from '@kiln/state';
import type { LogChunk } from './log-chunk.ts';
import { readMember } from './log-members.ts';

/** Reads the pieces of live logs that were moved to the blob store. */
export class LogPieces {
  readonly #logs: Pick<LogStore, 'pieceAfter'>;
  readonly #blobs: Pick<BlobStore, 'open'>;

  constructor(logs: Pick<LogStore, 'pieceAfter'>, blobs: Pick<BlobStore, 'open'>) {
    this.#logs = logs;
    this.#blobs = blobs;
  }

  /** Some records right after `seq`; undefined if no piece has them, or if it was deleted because the log is archived. */
  async after({ buildId, attempt }: LogName, seq: number): Promise<LogChunk | undefined> {
    const piece = await this.#logs.pieceAfter(buildId, attempt, seq);
    if (!piece || piece.firstSeq > seq + 1) return undefined;
    return readMember(this.#blobs, { ...piece, attempt }, seq);
  }
}
