import type { Readable } from 'node:stream';
import type { StoredBlob } from '@kiln/blobs';
import type { BuildRecord } from '@kiln/domain';
import type { MeteredBlobs } from './metered-blobs.ts';

/**
 * Stores a build's artifact within the limits in its record: the size of an artifact, and its team's quota.
 * @throws BlobTooLarge @throws StorageQuotaExceeded @throws StorageFull
 */
export function storeArtifact(
  blobs: MeteredBlobs,
  key: string,
  content: Readable,
  { team, maxArtifactBytes, maxStoredBytes }: Pick<BuildRecord, 'team' | 'maxArtifactBytes' | 'maxStoredBytes'>,
): Promise<StoredBlob> {
  return blobs.putWithin(key, content, { share: { team, quotaBytes: maxStoredBytes }, maxBytes: maxArtifactBytes });
}
