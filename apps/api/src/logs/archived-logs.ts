import { json } from 'node:stream/consumers';
import { type BlobStore, noteUse } from '@kiln/blobs';
import { logIndexKey, logKey, logMembers } from '@kiln/contracts';
import type { LogName } from '@kiln/state';
import { z } from 'zod';
import type { LogChunk } from './log-chunk.ts';
import { readMember } from './log-members.ts';

/** The index of an archived log; `lastSeq` is its last record. */
const logIndex = z.strictObject({ members: logMembers, lastSeq: z.int() });

/**
 * Reads logs from the blob store. A log is NDJSON, line n being record n, gzipped as consecutive members of about a page each: any gzip
 * reads the whole, and an index allows starting in the middle. The index is written last, so a log with an index is complete.
 */
export class ArchivedLogs {
  readonly #blobs: Pick<BlobStore, 'open' | 'stat' | 'touch'>;
  readonly #retentionMs: number;

  /** @param retentionMs for how long a log is kept without a reader */
  constructor(blobs: Pick<BlobStore, 'open' | 'stat' | 'touch'>, retentionMs = Number.POSITIVE_INFINITY) {
    this.#blobs = blobs;
    this.#retentionMs = retentionMs;
  }

  async exists({ buildId, attempt }: LogName): Promise<boolean> {
    return (await this.#blobs.stat(logIndexKey(buildId, attempt))) !== undefined;
  }

  /** The last record alone; undefined if the log isn't archived. */
  async last({ buildId, attempt }: LogName): Promise<LogChunk | undefined> {
    const stream = await this.#blobs.open(logIndexKey(buildId, attempt));
    if (!stream) return undefined;
    const { members, lastSeq } = logIndex.parse(await json(stream));
    return readMember(this.#blobs, { key: logKey(buildId, attempt), members, attempt }, lastSeq - 1);
  }

  /** The records after `seq`, to the end of their member; undefined if there are none. */
  async after({ buildId, attempt }: LogName, seq: number): Promise<LogChunk | undefined> {
    const [stream] = await Promise.all([
      this.#blobs.open(logIndexKey(buildId, attempt)),
      this.#noteUse(logIndexKey(buildId, attempt)),
      this.#noteUse(logKey(buildId, attempt)),
    ]);
    if (!stream) return undefined;
    const { members, lastSeq } = logIndex.parse(await json(stream));
    if (seq >= lastSeq) return undefined;
    return readMember(this.#blobs, { key: logKey(buildId, attempt), members, attempt }, seq);
  }

  /** A log that can be read is read, even where its use can't be noted. */
  async #noteUse(key: string): Promise<void> {
    await noteUse(this.#blobs, key, this.#retentionMs).catch(() => undefined);
  }
}
