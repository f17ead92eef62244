import { ArtifactRefused } from '@kiln/buildkit';
import type { FailureCode } from '@kiln/domain';
import { BlobTooLarge, StorageFull, StorageQuotaExceeded } from '@kiln/state';

/** Failure codes for the problems with which the API refuses an artifact. */
const BY_PROBLEM: Readonly<Record<string, FailureCode>> = {
  body_too_large: 'artifact_too_large',
  storage_quota_exceeded: 'storage_quota_exceeded',
  storage_full: 'storage_full',
};

/** Converts a problem of the API to a refusal of the artifact; undefined if another host, or another try, may succeed. */
export function refusalByApi(code: string, detail: string): ArtifactRefused | undefined {
  const failure = BY_PROBLEM[code];
  return failure && new ArtifactRefused({ code: failure, message: `the artifact was not stored: ${detail}` });
}

/** Rethrows an error of storing an artifact, as an `ArtifactRefused` if the build itself is to fail by it. */
export function rethrowRefusal(error: unknown): never {
  if (error instanceof BlobTooLarge) {
    const message = `the artifact has ${error.message}, which exceeds the limit artifactBytes; copy less into the last stage, or ask an admin to raise the limit`;
    throw new ArtifactRefused({ code: 'artifact_too_large', message });
  }
  if (error instanceof StorageQuotaExceeded || error instanceof StorageFull) {
    throw new ArtifactRefused({ code: error.code, message: `the artifact was not stored: ${error.message}` });
  }
  throw error;
}
