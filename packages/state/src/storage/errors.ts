/** A team has reached its quota for contexts, logs and artifacts. */
export class StorageQuotaExceeded extends Error {
  readonly code = 'storage_quota_exceeded';
  readonly team: string;
  readonly quotaBytes: number;
  /** Bytes charged to the team, without those that were refused. */
  readonly usedBytes: number;
  constructor(team: string, quotaBytes: number, usedBytes: number) {
    super(
      `team ${team} may store ${quotaBytes} bytes (limit storedBytes) and already stores ${usedBytes}: ` +
        'wait until old artifacts, contexts and logs expire, or ask an admin to raise the limit',
    );
    this.team = team;
    this.quotaBytes = quotaBytes;
    this.usedBytes = usedBytes;
  }
}

/** The blob store has no more free space than is reserved for logs. */
export class StorageFull extends Error {
  readonly code = 'storage_full';
  readonly freeBytes: number;
  readonly reserveBytes: number;
  constructor(freeBytes: number, reserveBytes: number) {
    super(
      `the blob store has ${freeBytes} bytes free and reserves ${reserveBytes} for logs (KILN_BLOB_RESERVE_BYTES): ` +
        'an operator must free space',
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
