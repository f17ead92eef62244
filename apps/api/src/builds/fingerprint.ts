import { createHash } from 'node:crypto';
import { canonicalJson } from '@kiln/contracts';

/** Hashes `value` by sha256 of its JSON with sorted keys: equal requests have equal fingerprints, however they were written. */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** Replaces secrets' values by their hashes, so that the input of a fingerprint contains none. */
export function hashed(secrets: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(secrets).map(([id, value]) => [id, createHash('sha256').update(value).digest('hex')]),
  );
}
