import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { logPieceKey } from '@kiln/contracts';
import { type BlobStore, liveBytes, type LogBatch, type LogName } from '@kiln/state';
import type { Logger } from 'pino';
import type { LiveLogs } from './live-logs.ts';
import { type MemberList, packMembers } from './log-members.ts';

const READ_BATCHES = 16;
/** A piece ends when it has so much, in bytes of JSON. */
const PIECE_BYTES = 4 * 1024 * 1024;
const MAX_AT_ONCE = 64;
const CONCURRENCY = 4;
/** Waits after a log couldn't be moved, ms: each is twice as long as the one before. */
const RETRY_MS = { first: 500, most: 15_000 };

export interface LogMoverDeps {
  readonly logs: Pick<LiveLogs, 'loud' | 'claim' | 'newestFirst' | 'pieces' | 'read' | 'movePiece'>;
  readonly blobs: Pick<BlobStore, 'put' | 'delete'>;
  readonly log: Logger;
  readonly now: () => number;
}

/**
 * Moves live logs in pieces from Redis to the blob store while they grow: first the piece, durably, then one script that notes it
 * and trims the stream. Whoever dies in between leaves a blob that nobody reads; `clearPieces` finds it.
 */
export class LogMover {
  readonly #deps: LogMoverDeps;
  /** Logs that couldn't be moved, by name. */
  readonly #failing = new Map<string, { waitMs: number; retryAt: number }>();

  constructor(deps: LogMoverDeps) {
    this.#deps = deps;
  }

  /**
   * Moves pieces as long as there are logs with `bytes` in Redis, or that have no room. Answers how many pieces. A log that fails is
   * tried again in a later round; the others don't wait for it.
   */
  async round(bytes: number, signal: AbortSignal): Promise<number> {
    for (let all = 0; ; ) {
      const logs = await this.#deps.logs.loud(bytes, MAX_AT_ONCE);
      const moved = await this.#moveAll(
        logs.filter((log) => this.#isDue(log)),
        signal,
      );
      all += moved;
      if (moved === 0 || signal.aborted) return all;
    }
  }

  async #moveAll(logs: LogName[], signal: AbortSignal): Promise<number> {
    let moved = 0;
    const lane = async () => {
      for (let log = logs.shift(); log && !signal.aborted; log = logs.shift()) {
        if (await this.#tryMove(log, signal)) moved += 1;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, lane));
    return moved;
  }

  async #tryMove(ref: LogName, signal: AbortSignal): Promise<boolean> {
    const name = nameOf(ref);
    try {
      const moved = await this.#move(ref, signal);
      this.#failing.delete(name);
      return moved;
    } catch (error) {
      if (signal.aborted) return false;
      const waitMs = Math.min(RETRY_MS.most, 2 * (this.#failing.get(name)?.waitMs ?? RETRY_MS.first / 2));
      this.#failing.set(name, { waitMs, retryAt: this.#deps.now() + waitMs });
      this.#deps.log.error({ ...ref, err: error, retryMs: waitMs }, 'piece of a log not moved');
      return false;
    }
  }

  async #move(ref: LogName, signal: AbortSignal): Promise<boolean> {
    const { logs, blobs, log } = this.#deps;
    const { buildId, attempt } = ref;
    await using claim = await logs.claim(buildId, attempt);
    if (!claim) return false;
    // After the claim: nobody else adds a piece from here on.
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
      log.debug({ ...ref, firstSeq: piece.firstSeq, lastSeq, sizeBytes }, 'piece of a log moved');
      return true;
    }
    log.debug({ ...ref, outcome }, 'piece of a log dropped');
    await blobs.delete(key);
    return false;
  }

  /** Batches from record `from` on, at most a piece of them, and none that has record `end`. */
  async *#batches(
    { buildId, attempt }: LogName,
    { from, end, taken }: { readonly from: number; readonly end: number; readonly taken: { bytes: number } },
  ): AsyncGenerator<LogBatch> {
    for (let next = from; ; ) {
      const batches = await this.#deps.logs.read(buildId, attempt, next - 1, READ_BATCHES);
      for (const batch of batches) {
        if (batch.firstSeq >= end) return;
        if (batch.firstSeq !== next)
          throw new RangeError(`record ${next} is missing in Redis, next is ${batch.firstSeq}`);
        yield batch;
        taken.bytes += liveBytes(batch.lines);
        if (taken.bytes >= PIECE_BYTES) return;
        next += batch.lines.length;
      }
      if (batches.length === 0) return;
    }
  }

  #isDue(ref: LogName): boolean {
    return this.#deps.now() >= (this.#failing.get(nameOf(ref))?.retryAt ?? 0);
  }
}

function nameOf({ buildId, attempt }: LogName): string {
  return `${buildId}:${attempt}`;
}
