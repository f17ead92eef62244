import { z } from 'zod';

/** The start of each gzip member: its byte, and the number of its first record. */
export const logMembers = z.array(z.strictObject({ byte: z.int(), firstSeq: z.int() }));
export type LogMembers = z.output<typeof logMembers>;

/**
 * A part of a live log in the blob store, under `key`: the records from `firstSeq` to `lastSeq` as gzipped lines of JSON, in gzip members of
 * about a page each.
 */
export const logPiece = z.object({
  key: z.string(),
  firstSeq: z.int(),
  lastSeq: z.int(),
  sizeBytes: z.int(),
  members: logMembers,
});
export type LogPiece = z.output<typeof logPiece>;
