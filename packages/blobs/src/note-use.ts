import type { Readable } from 'node:stream';
import type { BlobInfo, BlobStore } from './blob-store.ts';

/** Part of a retention after which a use is noted again: in S3, noting it copies the blob. */
const PART = 1 / 10;

/**
 * Counts as a use of a blob that is kept for `retentionMs` without one; it may be deleted a tenth of that earlier. Returns undefined if there is
 * no such blob.
 */
export function noteUse(
  blobs: Pick<BlobStore, 'touch'>,
  key: string,
  retentionMs: number,
): Promise<BlobInfo | undefined> {
  return blobs.touch(key, retentionMs * PART);
}

/** Age from which a use is noted again, where the retention isn't known: less than the shortest one. */
const USE_MS = 10 * 60_000;

/** Opens a blob and counts it as a use; undefined if there is none. For processes that don't know how long blobs are kept. */
export async function openUsed(blobs: Pick<BlobStore, 'open' | 'touch'>, key: string): Promise<Readable | undefined> {
  await blobs.touch(key, USE_MS);
  return blobs.open(key);
}
