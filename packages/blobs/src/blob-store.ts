import type { Readable } from 'node:stream';

export interface BlobInfo {
  readonly sizeBytes: number;
  /** When it was stored or last touched, ms since the epoch by the store's clock. */
  readonly usedAt: number;
}

export interface ListedBlob extends BlobInfo {
  readonly key: string;
}

export interface StoredBlob {
  /** SHA-256 of the bytes: `sha256:…`. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** From byte `start` to byte `end`, both included; without them from the first byte, to the last one. */
export interface BlobRange {
  readonly start?: number;
  readonly end?: number;
}

/** A finished local file, and the key of the blob that it becomes. */
export interface Adoption {
  readonly tempPath: string;
  readonly key: string;
}

/**
 * Stores blobs under keys: names of letters, digits, `.`, `_` and `-`, separated by `/`. Several processes may use one store.
 *
 * - A blob appears whole or not at all, and is durable when its call returns.
 * - Content under a key never changes: storing it again stores the same. So calls for one key may overlap, in any number of processes.
 * - A reader gets every byte that it asked for, or an error; never fewer.
 *
 * Every method throws `RangeError` for what isn't a key. The errors of a file system (ENOSPC) are thrown as they are.
 */
export interface BlobStore {
  /** Returns a fresh path for a local file that `adopt` takes over. */
  tempPath(): Promise<string>;
  /** Makes a finished file at a `tempPath` the blob `key`, and removes the file. After an error the file is left to the caller. */
  adopt(tempPath: string, key: string): Promise<void>;
  /**
   * As `adopt` for each, where that is cheaper than one by one: durability costs most, and is waited for together. The blobs of a group are durable before one
   * of the next appears. `onStored` is called with the position of each group that is durable.
   */
  adoptTogether?(groups: readonly (readonly Adoption[])[], onStored?: (group: number) => void): Promise<void>;
  /** Stores a stream. After an error, such as one of the stream, nothing is left behind. */
  put(key: string, content: Readable): Promise<StoredBlob>;
  /** Opens a blob, or a part of it, for reading; undefined if there is none. It doesn't count as a use: see `touch`. */
  open(key: string, range?: BlobRange): Promise<Readable | undefined>;
  stat(key: string): Promise<BlobInfo | undefined>;
  /**
   * Counts as a use of a blob if its last one is more than `unusedMs` ago: refreshing it is cheap in a directory, but copies the blob in
   * S3. Returns the blob's state afterwards; undefined if there is none.
   */
  touch(key: string, unusedMs: number): Promise<BlobInfo | undefined>;
  /** Deletes a blob, if there is one. */
  delete(key: string): Promise<void>;
  deleteMany(keys: Iterable<string>): Promise<void>;
  /** Lists the blobs whose keys start with `<prefix>/`, lazily and in any order. Blobs that come or go meanwhile may be included. */
  list(prefix: string): AsyncIterable<ListedBlob>;
  /** Deletes what uploads left behind that began before `before` (ms since the epoch) and whose process died. Returns the number. */
  deleteLeftovers(before: number): Promise<number>;
  /** Free space, bytes; absent in a store without a limit. */
  freeBytes?(): Promise<number>;
}

/** The directory of temporary files. */
export const TEMP = 'tmp';

const KEY = /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;
/** S3's limit for a key, of which an operator's prefix takes some. */
const MAX_KEY_CHARS = 768;

/** @throws RangeError if `key` isn't a key of a blob store, or a prefix of one */
export function checkKey(key: string): void {
  if (KEY.test(key) && key.length <= MAX_KEY_CHARS && key !== TEMP && !key.startsWith(`${TEMP}/`)) return;
  throw new RangeError(
    `blob key: got ${JSON.stringify(key)}, expected names of letters, digits, ".", "_" and "-", separated by "/"`,
  );
}

/** @throws RangeError if `range` isn't one of a blob */
export function checkRange({ start = 0, end }: BlobRange): void {
  const isByte = (at: number) => Number.isSafeInteger(at) && at >= 0;
  if (isByte(start) && (end === undefined || (isByte(end) && end >= start))) return;
  throw new RangeError(`blob range: got ${start} to ${end}, expected two positions of bytes in order`);
}
