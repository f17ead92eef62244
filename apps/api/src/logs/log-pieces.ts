import type { Blobs, LogStreams } from '../ports.ts';
import type { LogChunk } from './log-chunk.ts';
import { readMember } from './log-members.ts';
import type { LogRef } from './log-pages.ts';

/** Reads what was moved of live logs to the blob store. */
export class LogPieces {
  readonly #logs: Pick<LogStreams, 'pieceAfter'>;
  readonly #blobs: Pick<Blobs, 'open'>;

  constructor(logs: Pick<LogStreams, 'pieceAfter'>, blobs: Pick<Blobs, 'open'>) {
    this.#logs = logs;
    this.#blobs = blobs;
  }

  /** Some records right after `seq`; undefined where no piece has them, or it is gone because the archive has the log. */
  async after({ buildId, attempt }: LogRef, seq: number): Promise<LogChunk | undefined> {
    const piece = await this.#logs.pieceAfter(buildId, attempt, seq);
    if (!piece || piece.firstSeq > seq + 1) return undefined;
    return readMember(this.#blobs, { ...piece, attempt }, seq);
  }
}
