/** Names of what lies in the blob store. The API and the workers must agree on them. */

/** An uploaded context, by its digest (`sha256:…`): the bytes as they were sent. */
export function contextKey(digest: string): string {
  return `contexts/${digest.replace(':', '-')}`;
}

/** The tar of an attempt's final stage; one for each attempt, so that a stale attempt overwrites nothing. */
export function artifactKey(buildId: string, attempt: number): string {
  return `artifacts/${buildId}-${attempt}.tar`;
}

/** The archived log of an attempt: gzipped lines of JSON; line n is record n. */
export function logKey(buildId: string, attempt: number): string {
  return `logs/${buildId}-${attempt}.ndjson.gz`;
}

/** Where in an archived log one may begin to unpack. */
export function logIndexKey(buildId: string, attempt: number): string {
  return `logs/${buildId}-${attempt}.index.json`;
}

/** A part of a live log, from record `firstSeq` on. `nonce` is new for each writing: a key is written once, and then never again. */
export function logPieceKey(buildId: string, attempt: number, firstSeq: number, nonce: string): string {
  return `logs/${buildId}-${attempt}.${firstSeq}-${nonce}.piece`;
}

/** Whose piece lies under a key; undefined where none does. */
export function logOfPiece(key: string): { buildId: string; attempt: number } | undefined {
  const match = /^logs\/([^/.-]+)-(\d+)\.\d+-[^/.]+\.piece$/.exec(key);
  return match?.[1] === undefined ? undefined : { buildId: match[1], attempt: Number(match[2]) };
}

/** Where the documents of ended builds lie. */
export const HISTORY_PREFIX = 'history';
const HISTORY_KEY = /^history\/(\d{13})-([a-z0-9]+)\.ndjson\.gz$/;

/**
 * The documents of ended builds, many in one blob: a gzip member of one line for each. `newestEnd` (ms since the epoch) is the end of
 * the build that ended last: when builds of that time are forgotten, the blob is of no use any more.
 */
export function historyKey(newestEnd: number, unique: string): string {
  return `${HISTORY_PREFIX}/${String(Math.ceil(newestEnd)).padStart(13, '0')}-${unique}.ndjson.gz`;
}

/** The `newestEnd` of a key that `historyKey` made; undefined for any other. */
export function historyEnd(key: string): number | undefined {
  const [, end] = HISTORY_KEY.exec(key) ?? [];
  return end === undefined ? undefined : Number(end);
}

/** Kinds of blobs that count for teams, by the first part of their keys: these are recounted. */
export const BLOB_KINDS = ['contexts', 'logs', 'artifacts'] as const;

const OF_BUILD = /^[a-z-]{1,40}\/([0-9a-z]{26})(?=[-./]|$)/;

/** The build that a blob is of: whatever its kind, the key goes on with the build's id. Undefined where it is of none, as a context. */
export function buildOfKey(key: string): string | undefined {
  return OF_BUILD.exec(key)?.[1];
}

/** Whether a blob counts for its team's storage. An index doesn't: it is a few hundredths of the log that it belongs to. */
export function isCountedKey(key: string): boolean {
  return !key.endsWith('.index.json');
}
