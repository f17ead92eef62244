/** A team has stored as much as it may: contexts, logs and artifacts together. */
export class StorageQuotaExceeded extends Error {
  readonly code = 'storage_quota_exceeded';
  readonly team: string;
  readonly quotaBytes: number;
  /** What is counted for it without what was refused. */
  readonly usedBytes: number;
  constructor(team: string, quotaBytes: number, usedBytes: number) {
    super(
      `the team ${team} may store ${quotaBytes} bytes (limit storedBytes) and has ${usedBytes}: ` +
        'wait until old artifacts, contexts and logs are cleared away, or have an admin raise the limit',
    );
    this.team = team;
    this.quotaBytes = quotaBytes;
    this.usedBytes = usedBytes;
  }
}

/** The blob store has no more room than is kept for logs. */
export class StorageFull extends Error {
  readonly code = 'storage_full';
  readonly freeBytes: number;
  readonly reserveBytes: number;
  constructor(freeBytes: number, reserveBytes: number) {
    super(
      `the blob store has ${freeBytes} bytes left, and keeps ${reserveBytes} for logs (KILN_BLOB_RESERVE_BYTES): ` +
        'an operator has to make room',
    );
    this.freeBytes = freeBytes;
    this.reserveBytes = reserveBytes;
  }
}

/** One blob is larger than its limit allows. */
export class BlobTooLarge extends Error {
  readonly code = 'blob_too_large';
  readonly maxBytes: number;
  constructor(maxBytes: number) {
    super(`more than ${maxBytes} bytes`);
    this.maxBytes = maxBytes;
  }
}
