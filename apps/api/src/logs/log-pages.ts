import type { LogName, LogStore } from '@kiln/state';
import type { ArchivedLogs } from './archived-logs.ts';
import { LogChunk } from './log-chunk.ts';
import type { LogPieces } from './log-pieces.ts';

/** A record is missing: what a store returned doesn't follow on the requested position. */
export class LogGap extends Error {
  readonly code = 'log_gap';
  constructor({ buildId, attempt }: LogName, wanted: number, got: number | undefined) {
    super(
      `log of ${buildId}, attempt ${attempt}: record ${wanted} is missing${got === undefined ? '' : `, next is ${got}`}`,
    );
  }
}

/** Target size of a page, in characters: large enough for throughput, small enough for 500 slow sockets that hold one each. */
const PAGE_CHARS = 128 * 1024;
const MAX_PAGE_BATCHES = 512;

/**
 * Reads logs from their stores by pages: from the live stream, then the pieces moved out of it, then the archive. Records move in the same
 * order, so none is missed that moves meanwhile. Readers at the same position share a page; since each page begins where the previous one
 * ended, readers that started together stay together.
 */
export class LogPages {
  readonly #logs: Pick<LogStore, 'read'>;
  readonly #pieces: Pick<LogPieces, 'after'>;
  readonly #archive: ArchivedLogs;
  readonly #maxChars: number;
  /** Least recently used first. */
  readonly #cache = new Map<string, LogChunk>();
  readonly #reading = new Map<string, Promise<LogChunk | undefined>>();
  #chars = 0;
  /** Batches per page of each log, estimated from the size of its batches so far. */
  readonly #batches = new Map<string, number>();

  constructor(logs: Pick<LogStore, 'read'>, pieces: Pick<LogPieces, 'after'>, archive: ArchivedLogs, maxChars: number) {
    this.#logs = logs;
    this.#pieces = pieces;
    this.#archive = archive;
    this.#maxChars = maxChars;
  }

  /** Some records right after `seq`; undefined if no store has any. @throws LogGap; the stores' errors */
  async after(ref: LogName, seq: number): Promise<LogChunk | undefined> {
    const key = `${ref.buildId}.${ref.attempt}.${seq}`;
    const cached = this.#cache.get(key);
    if (cached) {
      this.#cache.delete(key);
      this.#cache.set(key, cached);
      return cached;
    }
    const reading = this.#reading.get(key) ?? this.#read(ref, seq).finally(() => this.#reading.delete(key));
    this.#reading.set(key, reading);
    const page = await reading;
    if (page && !this.#cache.has(key)) this.#keep(key, page);
    return page;
  }

  async #read(ref: LogName, seq: number): Promise<LogChunk | undefined> {
    const live = await this.#readLive(ref, seq);
    if (live instanceof LogChunk) return live;
    const moved = (await this.#pieces.after(ref, seq)) ?? (await this.#archive.after(ref, seq));
    if (!moved && live) throw new LogGap(ref, seq + 1, live.firstSeq);
    return moved;
  }

  /** A page of the live stream; if the stream starts only after a later record, that record's number. */
  async #readLive(ref: LogName, seq: number): Promise<LogChunk | { firstSeq: number } | undefined> {
    const log = `${ref.buildId}.${ref.attempt}`;
    const batches = await this.#logs.read(ref.buildId, ref.attempt, seq, this.#batches.get(log) ?? 4);
    if (batches.length === 0) {
      this.#batches.delete(log);
      return undefined;
    }
    const [{ firstSeq } = { firstSeq: 0 }] = batches;
    if (firstSeq > seq + 1) return { firstSeq };
    const lines: string[] = [];
    for (const batch of batches) {
      if (batch.firstSeq !== seq + 1 + lines.length) throw new LogGap(ref, seq + 1 + lines.length, batch.firstSeq);
      for (const line of batch.lines) lines.push(line);
    }
    const page = new LogChunk(ref.attempt, seq + 1, lines);
    const wanted = Math.round((PAGE_CHARS * batches.length) / page.sizeChars);
    this.#batches.set(log, Math.min(MAX_PAGE_BATCHES, Math.max(1, wanted)));
    return page;
  }

  #keep(key: string, page: LogChunk): void {
    this.#cache.set(key, page);
    this.#chars += page.sizeChars;
    for (const [oldest, { sizeChars }] of this.#cache) {
      if (this.#chars <= this.#maxChars || oldest === key) break;
      this.#cache.delete(oldest);
      this.#chars -= sizeChars;
    }
  }
}
