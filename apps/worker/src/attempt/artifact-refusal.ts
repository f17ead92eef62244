import { ArtifactRefused } from '@kiln/buildkit';
import type { FailureCode } from '@kiln/domain';
import { BlobTooLarge, StorageFull, StorageQuotaExceeded } from '@kiln/state';

/** What the API's problems with an artifact are to the build. */
const BY_PROBLEM: Readonly<Record<string, FailureCode>> = {
  body_too_large: 'artifact_too_large',
  storage_quota_exceeded: 'storage_quota_exceeded',
  storage_full: 'storage_full',
};

/** The refusal that a problem of the API stands for; undefined where another host, or another try, might do better. */
export function refusalByApi(code: string, detail: string): ArtifactRefused | undefined {
  const failure = BY_PROBLEM[code];
  return failure && new ArtifactRefused({ code: failure, message: `the artifact was not stored: ${detail}` });
}

/** Rethrows what the store says of an artifact: as the build's own failure where it is one. */
export function rethrowRefusal(error: unknown): never {
  if (error instanceof BlobTooLarge) {
    const message = `the artifact has ${error.message}, which is its limit (artifactBytes): copy less into the last stage, or have an admin raise it`;
    throw new ArtifactRefused({ code: 'artifact_too_large', message });
  }
  if (error instanceof StorageQuotaExceeded || error instanceof StorageFull) {
    throw new ArtifactRefused({ code: error.code, message: `the artifact was not stored: ${error.message}` });
  }
  throw error;
}
