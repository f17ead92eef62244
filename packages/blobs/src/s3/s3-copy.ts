import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import type { S3Object } from './s3-read.ts';

/**
 * Copies an object onto itself within the store, which makes it new: S3 has no other way to set its time. The content is there all the time.
 */
export async function renewObject(
  { client, bucket, key }: S3Object,
  sizeBytes: number,
  partBytes: number,
): Promise<void> {
  const target = { Bucket: bucket, Key: key };
  const CopySource = `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
  if (sizeBytes <= partBytes) {
    // S3 refuses a copy onto itself that changes nothing, but not one that replaces the metadata.
    await client.send(new CopyObjectCommand({ ...target, CopySource, MetadataDirective: 'REPLACE' }));
    return;
  }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  try {
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (let from = 0; from < sizeBytes; from += partBytes) {
      const CopySourceRange = `bytes=${from}-${Math.min(from + partBytes, sizeBytes) - 1}`;
      const PartNumber = Parts.length + 1;
      const { CopyPartResult } = await client.send(
        new UploadPartCopyCommand({ ...target, UploadId, PartNumber, CopySource, CopySourceRange }),
      );
      Parts.push({ PartNumber, ETag: CopyPartResult?.ETag });
    }
    await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
  } catch (error) {
    // What can't be aborted now is deleted with the leftovers.
    await client.send(new AbortMultipartUploadCommand({ ...target, UploadId })).catch(() => {});
    throw error;
  }
}
