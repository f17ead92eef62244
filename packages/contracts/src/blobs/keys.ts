/** Keys of the blob store. The API and the workers must agree on them. */

/** Returns the key of an uploaded context by its digest (`sha256:…`). The blob has the bytes as they were sent. */
export function contextKey(digest: string): string {
  return `contexts/${digest.replace(':', '-')}`;
}

/** Prefix of the objects of all teams' trees. */
const TREES_PREFIX = 'trees';

/** Returns the key that stands for all objects of a team's trees where storage is counted: there are too many for an entry each. */
export function teamTreesKey(team: string): string {
  return `${TREES_PREFIX}/${team}`;
}

/** Returns the team of a `teamTreesKey`; undefined for other keys. */
export function teamOfTreesKey(key: string): string | undefined {
  return key.startsWith(`${TREES_PREFIX}/`) ? key.slice(TREES_PREFIX.length + 1) : undefined;
}

/** Returns the key of the tar of an attempt's final stage. Each attempt has its own, so that a stale one overwrites nothing. */
export function artifactKey(buildId: string, attempt: number): string {
  return `artifacts/${buildId}-${attempt}.tar`;
}

/** Returns the key of an attempt's archived log: gzipped lines of JSON, where line n is record n. */
export function logKey(buildId: string, attempt: number): string {
  return `logs/${buildId}-${attempt}.ndjson.gz`;
}

/** Returns the key of the index of an archived log: the positions at which reading can start. */
export function logIndexKey(buildId: string, attempt: number): string {
  return `logs/${buildId}-${attempt}.index.json`;
}

/** Returns the key of a part of a live log, from record `firstSeq` on. Each write uses a new `nonce`, so that a key is written only once. */
export function logPieceKey(buildId: string, attempt: number, firstSeq: number, nonce: string): string {
  return `logs/${buildId}-${attempt}.${firstSeq}-${nonce}.piece`;
}

/** Returns the attempt of a log piece by its key; undefined for other keys. */
export function logOfPiece(key: string): { buildId: string; attempt: number } | undefined {
  const match = /^logs\/([^/.-]+)-(\d+)\.\d+-[^/.]+\.piece$/.exec(key);
  return match?.[1] === undefined ? undefined : { buildId: match[1], attempt: Number(match[2]) };
}

/** Prefix of the records of what attempts used and did. */
export const TRACES_PREFIX = 'traces';

/** Returns the key of what an attempt used and did: gzipped JSON. */
export function traceKey(buildId: string, attempt: number): string {
  return `${TRACES_PREFIX}/${buildId}-${attempt}.json.gz`;
}

/** Prefix of the documents of ended builds. */
export const HISTORY_PREFIX = 'history';
const HISTORY_KEY = /^history\/(\d{13})-([a-z0-9]+)\.ndjson\.gz$/;

/**
 * Returns the key of a blob with the documents of many ended builds, each a gzip member of one line.
 * @param newestEnd when the last of them ended, ms since the epoch: after its retention the blob can be deleted
 */
export function historyKey(newestEnd: number, unique: string): string {
  return `${HISTORY_PREFIX}/${String(Math.ceil(newestEnd)).padStart(13, '0')}-${unique}.ndjson.gz`;
}

/** Returns the `newestEnd` of a `historyKey`; undefined for other keys. */
export function historyEnd(key: string): number | undefined {
  const [, end] = HISTORY_KEY.exec(key) ?? [];
  return end === undefined ? undefined : Number(end);
}

/** The kinds of blobs that count for a team's storage, by the first part of their keys. */
export const BLOB_KINDS = ['contexts', 'logs', 'artifacts'] as const;

const OF_BUILD = /^[a-z-]{1,40}\/([0-9a-z]{26})(?=[-./]|$)/;

/** Returns the build of a blob, whose id follows the kind in its key; undefined for blobs without one, such as contexts. */
export function buildOfKey(key: string): string | undefined {
  return OF_BUILD.exec(key)?.[1];
}

/** Returns whether a blob counts for its team's storage. Indexes of logs and records of attempts don't, because they are so small. */
export function isCountedKey(key: string): boolean {
  return !key.endsWith('.index.json') && !key.startsWith(`${TRACES_PREFIX}/`);
}
