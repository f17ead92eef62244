import { createHash } from 'node:crypto';

/** sha256 of `value` as JSON with sorted keys: equal for equal requests, however they were written. */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

/** Secrets' values by their hashes, so that a fingerprint's input holds none. */
export function hashed(secrets: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(secrets).map(([id, value]) => [id, createHash('sha256').update(value).digest('hex')]),
  );
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, held: unknown) =>
    typeof held === 'object' && held !== null && !Array.isArray(held)
      ? Object.fromEntries(Object.entries(held).sort(([a], [b]) => (a < b ? -1 : 1)))
      : held,
  );
}
