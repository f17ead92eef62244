import { Readable } from 'node:stream';
import type { BlobStore } from '@kiln/blobs';
import { type LogPiece, logIndexKey, logKey } from '@kiln/contracts';
import { type Metrics, NO_METRICS } from '@kiln/metrics';
import type { LogBatch, LogName } from '@kiln/state';
import pMap from 'p-map';
import type { Logger } from 'pino';
import { ArchivedLogs } from './archived-logs.ts';
import type { LiveLogs } from './live-logs.ts';
import { LogBackoff } from './log-backoff.ts';
import { type MemberList, packMembers } from './log-members.ts';

const READ_BATCHES = 16;
/** Logs that are listed in a round, and how many of them are archived: so that failing ones don't keep out the others. */
const MAX_LISTED = 1_000;
const MAX_AT_ONCE = 64;
/** Logs that are archived at once, as each waits for its blobs to be on the disk. */
const CONCURRENCY = 4;
/** Waits before retrying a log, ms. */
const RETRY_MS = { first: 5_000, most: 300_000 };

/** The stream or a piece ended before the log did: another process has archived the log, or records were lost. */
class LogBrokeOff extends Error {
  readonly code = 'log_broke_off';
  constructor({ buildId, attempt }: LogName, lastSeq: number) {
    super(`log of ${buildId}, attempt ${attempt}: nothing after record ${lastSeq}, which is not its end`);
  }
}

type Streams = Pick<LiveLogs, 'read' | 'unarchived' | 'claim' | 'pieces' | 'markArchived'>;
type Store = Pick<BlobStore, 'put' | 'stat' | 'open' | 'touch' | 'deleteMany'>;

/**
 * Archives the logs of attempts that have ended: concatenates their pieces from the blob store as they are, then appends what is left in
 * Redis, a page at a time.
 */
export class LogArchiver {
  readonly #logs: Streams;
  readonly #blobs: Store;
  readonly #log: Logger;
  readonly #backoff: LogBackoff;
  readonly #metrics: Metrics;

  constructor(logs: Streams, blobs: Store, log: Logger, now: () => number = Date.now, metrics: Metrics = NO_METRICS) {
    this.#logs = logs;
    this.#blobs = blobs;
    this.#log = log;
    this.#metrics = metrics;
    this.#backoff = new LogBackoff(RETRY_MS, now);
  }

  /**
   * Archives the waiting logs. Returns how many were archived, and how many are claimed by other processes. A log that fails is retried in a
   * later round, without delaying the others.
   */
  async round(signal: AbortSignal): Promise<{ archived: number; claimed: number }> {
    const done = { archived: 0, claimed: 0 };
    const waiting = (await this.#logs.unarchived(MAX_LISTED))
      .filter((ref) => this.#backoff.isDue(ref))
      .slice(0, MAX_AT_ONCE);
    const archive = async (ref: LogName) => {
      const outcome = signal.aborted ? 'failed' : await this.#tryArchive(ref, signal);
      if (outcome !== 'failed') done[outcome] += 1;
    };
    await pMap(waiting, archive, { concurrency: CONCURRENCY });
    return done;
  }

  async #tryArchive(ref: LogName, signal: AbortSignal): Promise<'archived' | 'claimed' | 'failed'> {
    try {
      await using claim = await this.#logs.claim(ref.buildId, ref.attempt);
      if (!claim) return 'claimed';
      await this.#archive(ref, signal);
      this.#backoff.succeeded(ref);
      this.#metrics.count('kiln_logs_archived_total', 1);
      return 'archived';
    } catch (error) {
      if (signal.aborted) return 'failed';
      this.#metrics.count('kiln_log_move_failures_total', 1, { what: 'log' });
      this.#log.error({ ...ref, err: error, retryMs: this.#backoff.failed(ref) }, 'archiving a log failed');
      return 'failed';
    }
  }

  /**
   * If a claim lapses, two processes may archive the same log. Since the attempt has ended, neither its pieces nor its stream change, so both
   * write the same bytes; a process that finds the log archived, or its stream gone, overwrites nothing.
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
      // Written last, since readers start with the index.
      const index = Readable.from([Buffer.from(JSON.stringify({ members, lastSeq }))]);
      await this.#blobs.put(logIndexKey(buildId, attempt), index);
      this.#log.info({ ...ref, records: lastSeq, sizeBytes, pieces: pieces.length }, 'log archived');
    }
    await this.#logs.markArchived(buildId, attempt);
    // Deleted last: a reader that finds no piece finds the archive.
    await this.#blobs.deleteMany(pieces.map(({ key }) => key));
  }

  /**
   * Whether the archive has this very log, compared by its last record. After Redis was reset to an earlier state, as by a restored backup, the
   * archive may have the log of another attempt with the same number, which Redis has forgotten.
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

  /** The batches in Redis after record `seq`. */
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
