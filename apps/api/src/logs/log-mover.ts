import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BlobStore } from '@kiln/blobs';
import { logPieceKey } from '@kiln/contracts';
import { type Metrics, NO_METRICS } from '@kiln/metrics';
import { type LogBatch, type LogName, liveBytes } from '@kiln/state';
import pMap from 'p-map';
import type { Logger } from 'pino';
import type { LiveLogs } from './live-logs.ts';
import { LogBackoff } from './log-backoff.ts';
import { type MemberList, packMembers } from './log-members.ts';

const READ_BATCHES = 16;
/** Size at which a piece ends, in bytes of JSON. */
const PIECE_BYTES = 4 * 1024 * 1024;
const MAX_AT_ONCE = 64;
const CONCURRENCY = 4;
/** Waits before retrying a log, ms. */
const RETRY_MS = { first: 500, most: 15_000 };

export interface LogMoverDeps {
  readonly logs: Pick<LiveLogs, 'loud' | 'claim' | 'newestFirst' | 'pieces' | 'read' | 'movePiece'>;
  readonly blobs: Pick<BlobStore, 'put' | 'delete'>;
  readonly log: Logger;
  readonly metrics?: Metrics | undefined;
  readonly now: () => number;
}

/**
 * Moves live logs in pieces from Redis to the blob store while they grow: first writes the piece, durably, then runs one script that records
 * it and trims the stream. A process that dies in between leaves an orphaned blob, which `prunePieces` deletes.
 */
export class LogMover {
  readonly #deps: LogMoverDeps;
  readonly #backoff: LogBackoff;

  constructor(deps: LogMoverDeps) {
    this.#deps = deps;
    this.#backoff = new LogBackoff(RETRY_MS, deps.now);
  }

  /**
   * Moves pieces as long as there are logs that have `bytes` in Redis, or whose writer waits for room. Returns the number of pieces. A log
   * that fails is retried in a later round, without delaying the others.
   */
  async round(bytes: number, signal: AbortSignal): Promise<number> {
    for (let all = 0; ; ) {
      const logs = await this.#deps.logs.loud(bytes, MAX_AT_ONCE);
      const moved = await this.#moveAll(
        logs.filter((ref) => this.#backoff.isDue(ref)),
        signal,
      );
      all += moved;
      if (moved === 0 || signal.aborted) return all;
    }
  }

  async #moveAll(logs: readonly LogName[], signal: AbortSignal): Promise<number> {
    const move = async (ref: LogName) => !signal.aborted && (await this.#tryMove(ref, signal));
    const outcomes = await pMap(logs, move, { concurrency: CONCURRENCY });
    return outcomes.filter((moved) => moved).length;
  }

  async #tryMove(ref: LogName, signal: AbortSignal): Promise<boolean> {
    try {
      const moved = await this.#move(ref, signal);
      this.#backoff.succeeded(ref);
      return moved;
    } catch (error) {
      if (signal.aborted) return false;
      this.#deps.metrics?.count('kiln_log_move_failures_total', 1, { what: 'piece' });
      this.#deps.log.error({ ...ref, err: error, retryMs: this.#backoff.failed(ref) }, 'moving a log piece failed');
      return false;
    }
  }

  async #move(ref: LogName, signal: AbortSignal): Promise<boolean> {
    const { logs, blobs, log, metrics = NO_METRICS } = this.#deps;
    const { buildId, attempt } = ref;
    await using claim = await logs.claim(buildId, attempt);
    if (!claim) return false;
    // Read after the claim, since from then on nobody else adds a piece.
    const last = (await logs.pieces(buildId, attempt)).at(-1)?.lastSeq ?? 0;
    const end = await logs.newestFirst(buildId, attempt);
    if (end === undefined || end <= last + 1) return false;
    const list: MemberList = { members: [], lastSeq: last, sizeBytes: 0 };
    const taken = { bytes: 0 };
    const key = logPieceKey(buildId, attempt, last + 1, randomUUID());
    const packed = packMembers(this.#batches(ref, { from: last + 1, end, taken }), list, signal);
    await blobs.put(key, Readable.from(packed, { objectMode: false }));
    const { lastSeq, sizeBytes, members } = list;
    const piece = { key, firstSeq: last + 1, lastSeq, sizeBytes, members };
    // A stream that expired meanwhile leaves an empty piece.
    const outcome = lastSeq > last ? await logs.movePiece(ref, claim.holder, piece, taken.bytes) : 'stale';
    if (outcome === 'moved') {
      metrics.count('kiln_log_pieces_moved_total', 1);
      log.debug({ ...ref, firstSeq: piece.firstSeq, lastSeq, sizeBytes }, 'log piece moved');
      return true;
    }
    log.debug({ ...ref, outcome }, 'log piece discarded');
    await blobs.delete(key);
    return false;
  }

  /** The batches from record `from` on, up to the size of a piece and before record `end`. */
  async *#batches(
    { buildId, attempt }: LogName,
    { from, end, taken }: { readonly from: number; readonly end: number; readonly taken: { bytes: number } },
  ): AsyncGenerator<LogBatch> {
    for (let next = from; ; ) {
      const batches = await this.#deps.logs.read(buildId, attempt, next - 1, READ_BATCHES);
      for (const batch of batches) {
        if (batch.firstSeq >= end) return;
        if (batch.firstSeq !== next)
          throw new RangeError(`log in Redis: got record ${batch.firstSeq}, expected ${next}`);
        yield batch;
        taken.bytes += liveBytes(batch.lines);
        if (taken.bytes >= PIECE_BYTES) return;
        next += batch.lines.length;
      }
      if (batches.length === 0) return;
    }
  }
}
