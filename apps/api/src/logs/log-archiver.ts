import { Readable } from 'node:stream';
import { type LogPiece, logIndexKey, logKey } from '@kiln/contracts';
import type { BlobStore, LogBatch, LogName } from '@kiln/state';
import type { Logger } from 'pino';
import type { LiveLogs } from './live-logs.ts';
import { ArchivedLogs } from './archived-logs.ts';
import { type MemberList, packMembers } from './log-members.ts';

const READ_BATCHES = 16;
/** Logs that are looked at in a round, and those of them that are moved: others that fail again and again don't keep them away. */
const MAX_LISTED = 1_000;
const MAX_AT_ONCE = 64;
/** Each log waits for its blobs to be on the disk; several do so together. */
const CONCURRENCY = 4;
/** Waits after a log couldn't be archived, ms: each is twice as long as the one before. */
const RETRY_MS = { first: 5_000, most: 300_000 };

/** The stream, or a piece, ended before the log did: somebody else has archived it meanwhile, or it was lost. */
class LogBrokeOff extends Error {
  readonly code = 'log_broke_off';
  constructor({ buildId, attempt }: LogName, lastSeq: number) {
    super(`log of ${buildId}, attempt ${attempt}: nothing after record ${lastSeq}, which is not its end`);
  }
}

type Streams = Pick<LiveLogs, 'read' | 'unarchived' | 'claim' | 'pieces' | 'markArchived'>;
type Store = Pick<BlobStore, 'put' | 'stat' | 'open' | 'delete'>;

/**
 * Moves the logs of attempts that have ended into the archive: their pieces, which lie in the blob store already, one after the other as they are,
 * and what is left in Redis, a page at a time.
 */
export class LogArchiver {
  readonly #logs: Streams;
  readonly #blobs: Store;
  readonly #log: Logger;
  readonly #now: () => number;
  /** Logs that couldn't be archived, by name. */
  readonly #failing = new Map<string, { waitMs: number; retryAt: number }>();

  constructor(logs: Streams, blobs: Store, log: Logger, now: () => number = Date.now) {
    this.#logs = logs;
    this.#blobs = blobs;
    this.#log = log;
    this.#now = now;
  }

  /**
   * One round over what waits. Answers how many were archived, and on how many another process has a claim. A log that fails is tried again in
   * a later round; the others don't wait for it.
   */
  async round(signal: AbortSignal): Promise<{ archived: number; claimed: number }> {
    const done = { archived: 0, claimed: 0 };
    const waiting = (await this.#logs.unarchived(MAX_LISTED)).filter((ref) => this.#isDue(ref)).slice(0, MAX_AT_ONCE);
    const lane = async () => {
      for (let ref = waiting.shift(); ref && !signal.aborted; ref = waiting.shift()) {
        const outcome = await this.#tryArchive(ref, signal);
        if (outcome !== 'failed') done[outcome] += 1;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, lane));
    return done;
  }

  async #tryArchive(ref: LogName, signal: AbortSignal): Promise<'archived' | 'claimed' | 'failed'> {
    const name = `${ref.buildId}:${ref.attempt}`;
    try {
      await using claim = await this.#logs.claim(ref.buildId, ref.attempt);
      if (!claim) return 'claimed';
      await this.#archive(ref, signal);
      this.#failing.delete(name);
      return 'archived';
    } catch (error) {
      if (signal.aborted) return 'failed';
      const waitMs = Math.min(RETRY_MS.most, 2 * (this.#failing.get(name)?.waitMs ?? RETRY_MS.first / 2));
      this.#failing.set(name, { waitMs, retryAt: this.#now() + waitMs });
      this.#log.error({ ...ref, err: error, retryMs: waitMs }, 'log not archived');
      return 'failed';
    }
  }

  #isDue({ buildId, attempt }: LogName): boolean {
    return this.#now() >= (this.#failing.get(`${buildId}:${attempt}`)?.retryAt ?? 0);
  }

  /**
   * A claim may lapse, and two archive the same log: since it has ended neither its pieces nor its stream change any more, so both
   * write the same bytes; whoever finds it done, or its stream gone, overwrites nothing.
   */
  async #archive(ref: LogName, signal: AbortSignal): Promise<void> {
    const { buildId, attempt } = ref;
    const pieces = await this.#logs.pieces(buildId, attempt);
    if (!(await this.#isArchived(ref))) {
      const list: MemberList = { members: [], lastSeq: 0, sizeBytes: 0 };
      await this.#blobs.put(
        logKey(buildId, attempt),
        Readable.from(this.#whole(ref, pieces, list, signal), { objectMode: false }),
      );
      const { members, lastSeq, sizeBytes } = list;
      // Last: readers begin with the index.
      const index = Readable.from([Buffer.from(JSON.stringify({ members, lastSeq }))]);
      await this.#blobs.put(logIndexKey(buildId, attempt), index);
      this.#log.info({ ...ref, records: lastSeq, sizeBytes, pieces: pieces.length }, 'log archived');
    }
    await this.#logs.markArchived(buildId, attempt);
    // Last of all: whoever finds no piece finds the archive.
    for (const { key } of pieces) await this.#blobs.delete(key);
  }

  /**
   * Whether the archive holds this very log, by its last record. Where Redis was put back to an earlier state, as by a restored backup, it may
   * hold that of another attempt of the same number, which Redis has forgotten.
   */
  async #isArchived(ref: LogName): Promise<boolean> {
    const archived = await new ArchivedLogs(this.#blobs).last(ref);
    if (!archived) return false;
    const stream = async (afterSeq: number) => (await this.#logs.read(ref.buildId, ref.attempt, afterSeq, 1))[0];
    if (!(await stream(0))) return true;
    const last = await stream(archived.lastSeq - 1);
    return last?.lines.length === 1 && last.lines[0] === archived.lines.at(-1);
  }

  async *#whole(ref: LogName, pieces: readonly LogPiece[], list: MemberList, signal: AbortSignal) {
    for (const piece of pieces) {
      signal.throwIfAborted();
      yield* this.#piece(ref, piece, list);
    }
    let isWhole = false;
    const noteEnd = (line: string | undefined) => {
      isWhole = isEnd(line);
    };
    yield* packMembers(this.#rest(ref, list.lastSeq, noteEnd), list, signal);
    if (!isWhole) throw new LogBrokeOff(ref, list.lastSeq);
  }

  async *#piece(ref: LogName, { key, members, lastSeq, sizeBytes }: LogPiece, list: MemberList) {
    const blob = await this.#blobs.open(key);
    if (!blob) throw new LogBrokeOff(ref, list.lastSeq);
    const start = list.sizeBytes;
    for (const { byte, firstSeq } of members) list.members.push({ byte: start + byte, firstSeq });
    for await (const chunk of blob as AsyncIterable<Buffer>) {
      list.sizeBytes += chunk.length;
      yield chunk;
    }
    if (list.sizeBytes !== start + sizeBytes) throw new LogBrokeOff(ref, list.lastSeq);
    list.lastSeq = lastSeq;
  }

  /** What Redis has after record `seq`. */
  async *#rest(ref: LogName, seq: number, noteLast: (line: string | undefined) => void): AsyncGenerator<LogBatch> {
    for (let last = seq; ; ) {
      const batches = await this.#logs.read(ref.buildId, ref.attempt, last, READ_BATCHES);
      for (const batch of batches) {
        if (batch.firstSeq !== last + 1) throw new LogBrokeOff(ref, last);
        noteLast(batch.lines.at(-1));
        last = batch.firstSeq + batch.lines.length - 1;
        yield batch;
      }
      if (batches.length === 0) return;
    }
  }
}

function isEnd(line = '{}'): boolean {
  return (JSON.parse(line) as { type?: string }).type === 'end';
}
