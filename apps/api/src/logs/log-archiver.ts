import { Readable } from 'node:stream';
import { setImmediate as breathe } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { logIndexKey, logKey } from '@kiln/contracts';
import type { Logger } from 'pino';
import type { Blobs, LogStreams } from '../ports.ts';
import type { LogIndex } from './archived-logs.ts';
import type { LogRef } from './log-pages.ts';

const pack = promisify(gzip);

/** What a gzip member holds, in characters: what a reader unpacks to begin anywhere. */
const MEMBER_CHARS = 128 * 1024;
const READ_BATCHES = 16;
const MAX_AT_ONCE = 16;

/** The stream ended before the log did: it expired while it was being read, because somebody else has archived it meanwhile. */
class LogBrokeOff extends Error {
  readonly code = 'log_broke_off';
  constructor({ buildId, attempt }: LogRef, lastSeq: number) {
    super(`log of ${buildId}, attempt ${attempt}: nothing after record ${lastSeq}, which is not its end`);
  }
}

type Streams = Pick<LogStreams, 'read' | 'unarchived' | 'claimArchive' | 'markArchived'>;

/** Moves the logs of attempts that have ended from Redis into the blob store, a page at a time. */
export class LogArchiver {
  readonly #logs: Streams;
  readonly #blobs: Pick<Blobs, 'put' | 'stat'>;
  readonly #log: Logger;

  constructor(logs: Streams, blobs: Pick<Blobs, 'put' | 'stat'>, log: Logger) {
    this.#logs = logs;
    this.#blobs = blobs;
    this.#log = log;
  }

  /** One round over what waits. Answers how many were archived. A log that fails is tried again in another round. */
  async round(signal: AbortSignal): Promise<number> {
    let archived = 0;
    for (const ref of await this.#logs.unarchived(MAX_AT_ONCE)) {
      if (signal.aborted) break;
      if (!(await this.#logs.claimArchive(ref.buildId, ref.attempt))) continue;
      try {
        await this.#archive(ref, signal);
        archived += 1;
      } catch (error) {
        if (!signal.aborted) this.#log.error({ ...ref, err: error }, 'log not archived');
      }
    }
    return archived;
  }

  /** A claim may lapse, and two archive the same log: whoever finds it done, or its stream gone, overwrites nothing. */
  async #archive(ref: LogRef, signal: AbortSignal): Promise<void> {
    if (await this.#blobs.stat(logIndexKey(ref.buildId, ref.attempt))) {
      return await this.#logs.markArchived(ref.buildId, ref.attempt);
    }
    const index: { members: LogIndex['members'][number][]; lastSeq: number } = { members: [], lastSeq: 0 };
    const { sizeBytes } = await this.#blobs.put(
      logKey(ref.buildId, ref.attempt),
      Readable.from(this.#members(ref, index, signal), { objectMode: false }),
    );
    // Last: readers begin with the index.
    await this.#blobs.put(logIndexKey(ref.buildId, ref.attempt), Readable.from([Buffer.from(JSON.stringify(index))]));
    await this.#logs.markArchived(ref.buildId, ref.attempt);
    this.#log.info({ ...ref, records: index.lastSeq, sizeBytes }, 'log archived');
  }

  /** Compresses in a thread of libuv's pool; the event loop only joins lines. */
  async *#members(
    ref: LogRef,
    index: { members: LogIndex['members'][number][]; lastSeq: number },
    signal: AbortSignal,
  ) {
    let byte = 0;
    let isWhole = false;
    for await (const { firstSeq, lines } of this.#pages(ref)) {
      signal.throwIfAborted();
      isWhole = isEnd(lines.at(-1));
      const member = await pack(`${lines.join('\n')}\n`);
      index.members.push({ byte, firstSeq });
      index.lastSeq = firstSeq + lines.length - 1;
      byte += member.length;
      yield member;
      await breathe();
    }
    if (!isWhole) throw new LogBrokeOff(ref, index.lastSeq);
  }

  async *#pages({ buildId, attempt }: LogRef): AsyncGenerator<{ firstSeq: number; lines: string[] }> {
    let page: { firstSeq: number; lines: string[]; chars: number } = { firstSeq: 1, lines: [], chars: 0 };
    for (let seq = 0; ; ) {
      const batches = await this.#logs.read(buildId, attempt, seq, READ_BATCHES);
      for (const batch of batches) {
        for (const line of batch.lines) {
          page.lines.push(line);
          page.chars += line.length + 1;
        }
        seq = batch.firstSeq + batch.lines.length - 1;
        if (page.chars < MEMBER_CHARS) continue;
        yield page;
        page = { firstSeq: seq + 1, lines: [], chars: 0 };
      }
      if (batches.length > 0) continue;
      if (page.lines.length > 0) yield page;
      return;
    }
  }
}

function isEnd(line = '{}'): boolean {
  return (JSON.parse(line) as { type?: string }).type === 'end';
}
