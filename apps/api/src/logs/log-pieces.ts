import type { BlobStore, LogName, LogStore } from '@kiln/state';
import type { LogChunk } from './log-chunk.ts';
import { readMember } from './log-members.ts';

/** Reads what was moved of live logs to the blob store. */
export class LogPieces {
  readonly #logs: Pick<LogStore, 'pieceAfter'>;
  readonly #blobs: Pick<BlobStore, 'open'>;

  constructor(logs: Pick<LogStore, 'pieceAfter'>, blobs: Pick<BlobStore, 'open'>) {
    this.#logs = logs;
    this.#blobs = blobs;
  }

  /** Some records right after `seq`; undefined where no piece has them, or it is gone because the archive has the log. */
  async after({ buildId, attempt }: LogName, seq: number): Promise<LogChunk | undefined> {
    const piece = await this.#logs.pieceAfter(buildId, attempt, seq);
    if (!piece || piece.firstSeq > seq + 1) return undefined;
    return readMember(this.#blobs, { ...piece, attempt }, seq);
  }
}
