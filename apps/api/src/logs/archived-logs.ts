import { json } from 'node:stream/consumers';
import { logIndexKey, logKey, logMembers } from '@kiln/contracts';
import type { BlobStore, LogName } from '@kiln/state';
import { z } from 'zod';
import type { LogChunk } from './log-chunk.ts';
import { readMember } from './log-members.ts';

/** `lastSeq` is the log's last record. */
const logIndex = z.strictObject({ members: logMembers, lastSeq: z.int() });

/**
 * Logs in the blob store: NDJSON, line n is record n, gzipped as a row of members of about a page each. Any gzip reads the whole;
 * the index lets us begin in the middle. It is written last: where it is, the log is whole.
 */
export class ArchivedLogs {
  readonly #blobs: Pick<BlobStore, 'open' | 'stat'>;

  constructor(blobs: Pick<BlobStore, 'open' | 'stat'>) {
    this.#blobs = blobs;
  }

  async exists({ buildId, attempt }: LogName): Promise<boolean> {
    return (await this.#blobs.stat(logIndexKey(buildId, attempt))) !== undefined;
  }

  /** The last record, by itself; undefined where there is no archive. */
  async last({ buildId, attempt }: LogName): Promise<LogChunk | undefined> {
    const stream = await this.#blobs.open(logIndexKey(buildId, attempt));
    if (!stream) return undefined;
    const { members, lastSeq } = logIndex.parse(await json(stream));
    return readMember(this.#blobs, { key: logKey(buildId, attempt), members, attempt }, lastSeq - 1);
  }

  /** The rest of the member that holds the record after `seq`; undefined where there is no such record. */
  async after({ buildId, attempt }: LogName, seq: number): Promise<LogChunk | undefined> {
    const stream = await this.#blobs.open(logIndexKey(buildId, attempt));
    if (!stream) return undefined;
    const { members, lastSeq } = logIndex.parse(await json(stream));
    if (seq >= lastSeq) return undefined;
    return readMember(this.#blobs, { key: logKey(buildId, attempt), members, attempt }, seq);
  }
}
