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
