/** An S3-compatible store, and how to use it. */
export interface S3Options {
  readonly bucket: string;
  /** Put before every key, without a `/` at its end; empty: none. */
  readonly prefix: string;
  /** An http:// or https:// URL; absent: AWS. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  /** Certificates of the authorities that the endpoint's certificate may be from, in PEM; absent: the usual ones. */
  readonly ca?: string | undefined;
  /** Absent: the SDK looks for them in the environment, in files, and asks the machine's metadata service. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** A directory for uploads whose content must be checked before it is stored. */
  readonly spoolDir: string;
  readonly limits?: Partial<S3Limits>;
}

/** Limits that have good defaults. */
export interface S3Limits {
  readonly connectTimeoutMs: number;
  /** How long a connection may carry nothing while a request is under way. */
  readonly idleTimeoutMs: number;
  /** How long a request that carries no blob may take with all its retries. */
  readonly requestTimeoutMs: number;
  /**
   * How often a request is tried. A client whose requests fail all the time stops to try them again until some succeed (the SDK's retry
   * quota), so that an outage isn't made worse.
   */
  readonly attempts: number;
  /** Connections at once. Each reader of a blob has one, for as long as it reads. */
  readonly connections: number;
  /** Size of a part of an upload; at least 5 MiB. A few parts of each upload are in memory; a stream has at most 10,000 (49 GB). */
  readonly partBytes: number;
  /** Size from which a blob is copied in parts, so that no copy takes longer than a connection may be idle. */
  readonly copyPartBytes: number;
  /** Keys on a page of a list, at most 1000. */
  readonly pageKeys: number;
}

const MIB = 1024 * 1024;

export const S3_LIMITS: S3Limits = {
  connectTimeoutMs: 5_000,
  idleTimeoutMs: 30_000,
  requestTimeoutMs: 60_000,
  attempts: 4,
  connections: 512,
  partBytes: 5 * MIB,
  copyPartBytes: 256 * MIB,
  pageKeys: 1_000,
};
