import type { Readable } from 'node:stream';
import { buffer, json } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { logIndexKey, logKey } from '@kiln/contracts';
import { z } from 'zod';
import type { Blobs } from '../ports.ts';
import { LogChunk } from './log-chunk.ts';
import type { LogRef } from './log-pages.ts';

const unpack = promisify(gunzip);

/** Begin of each gzip member: its byte, and the number of its first record; `lastSeq` is the log's last record. */
export const logIndex = z.strictObject({
  members: z.array(z.strictObject({ byte: z.int(), firstSeq: z.int() })),
  lastSeq: z.int(),
});
export type LogIndex = z.output<typeof logIndex>;

/**
 * Logs in the blob store: NDJSON, line n is record n, gzipped as a row of members of about a page each. Any gzip reads the whole;
 * the index lets us begin in the middle. It is written last: where it is, the log is whole.
 */
export class ArchivedLogs {
  readonly #blobs: Pick<Blobs, 'open' | 'stat'>;

  constructor(blobs: Pick<Blobs, 'open' | 'stat'>) {
    this.#blobs = blobs;
  }

  async exists({ buildId, attempt }: LogRef): Promise<boolean> {
    return (await this.#blobs.stat(logIndexKey(buildId, attempt))) !== undefined;
  }

  /** The rest of the member that holds the record after `seq`; undefined where there is no such record. */
  async after(ref: LogRef, seq: number): Promise<LogChunk | undefined> {
    const stream = await this.#blobs.open(logIndexKey(ref.buildId, ref.attempt));
    if (!stream) return undefined;
    const { members, lastSeq } = logIndex.parse(await json(stream));
    if (seq >= lastSeq) return undefined;
    const at = members.findLastIndex(({ firstSeq }) => firstSeq <= seq + 1);
    const member = members[at];
    if (!member) return undefined;
    const packed = await this.#member(ref, member.byte, members[at + 1]?.byte);
    if (!packed) return undefined;
    const lines = (await unpack(await buffer(packed))).toString('utf8').split('\n');
    // The last line ends with a newline too.
    lines.pop();
    return new LogChunk(ref.attempt, member.firstSeq, lines).after(seq);
  }

  #member({ buildId, attempt }: LogRef, start: number, next: number | undefined): Promise<Readable | undefined> {
    return this.#blobs.open(logKey(buildId, attempt), { start, ...(next !== undefined && { end: next - 1 }) });
  }
}
