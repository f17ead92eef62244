import { createHash } from 'node:crypto';
import { canonicalJson } from '@kiln/contracts';

/** sha256 of `value` as JSON with sorted keys: equal for equal requests, however they were written. */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** Secrets' values by their hashes, so that a fingerprint's input holds none. */
export function hashed(secrets: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(secrets).map(([id, value]) => [id, createHash('sha256').update(value).digest('hex')]),
  );
}
