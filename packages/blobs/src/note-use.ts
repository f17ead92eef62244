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
