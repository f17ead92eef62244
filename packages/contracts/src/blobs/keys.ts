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
