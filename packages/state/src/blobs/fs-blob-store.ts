import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, opendir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface BlobInfo {
  readonly sizeBytes: number;
  /** Last use by `open` or `put`, ms since the epoch. */
  readonly usedAt: number;
}

/** Stores blobs under keys: `/`-separated names of letters, digits, `.`, `_`, `-`. Errors of the file system (ENOSPC) are thrown as they are. */
export interface BlobStore {
  /** A fresh path on the store's file system, for a file that `adopt` takes over. */
  tempPath(): Promise<string>;
  /** Makes a finished temporary file the blob `key`. */
  adopt(tempPath: string, key: string): Promise<void>;
  /** Stores a stream whole or not at all. */
  put(key: string, content: Readable): Promise<{ digest: string; sizeBytes: number }>;
  /** Reads from byte `start` to byte `end`, both included; the whole blob by default. Counts as a use. */
  open(key: string, range?: { start?: number; end?: number }): Promise<Readable | undefined>;
  stat(key: string): Promise<BlobInfo | undefined>;
  delete(key: string): Promise<void>;
  /** Lists every key below `prefix`. */
  list(prefix: string): AsyncIterable<string>;
  /** Free space, bytes; absent in a store without a limit. */
  freeBytes?(): Promise<number>;
}

const KEY = /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;
const TEMP = 'tmp';

/** Blobs as files below a directory. Several processes may share it, because each blob appears by a rename. */
export class FsBlobStore implements BlobStore {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** Returns a new path on the same file system, for a file that `adopt` takes over. */
  async tempPath(): Promise<string> {
    await mkdir(join(this.dir, TEMP), { recursive: true });
    return join(this.dir, TEMP, randomUUID());
  }

  /** Makes a finished temporary file the blob `key`. A blob that exists already has the same content. */
  async adopt(tempPath: string, key: string): Promise<void> {
    const path = this.#path(key);
    await mkdir(dirname(path), { recursive: true });
    await rename(tempPath, path);
  }

  /**
   * Stores a stream. The blob survives a power failure when this returns. `digest` is the SHA-256 of the bytes. After an error nothing is
   * left behind.
   */
  async put(key: string, content: Readable): Promise<{ digest: string; sizeBytes: number }> {
    this.#path(key);
    const temp = await this.tempPath();
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        sizeBytes += chunk.length;
        done(null, chunk);
      },
    });
    try {
      await pipeline(content, measure, createWriteStream(temp, { mode: 0o600, flush: true }));
      await this.adopt(temp, key);
      await syncDir(dirname(this.#path(key)));
    } catch (error) {
      await rm(temp, { force: true });
      throw error;
    }
    return { digest: `sha256:${hash.digest('hex')}`, sizeBytes };
  }

  /** Reads from byte `start` to byte `end`, both included; the whole blob by default. Counts as a use. */
  async open(key: string, range: { start?: number; end?: number } = {}): Promise<Readable | undefined> {
    if (!(await this.stat(key))) return undefined;
    // Opened before it returns, so a blob that is deleted meanwhile is still read to its end.
    const file = await open(this.#path(key)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const now = new Date();
    await file?.utimes(now, now).catch(() => {});
    return file?.createReadStream(range);
  }

  async stat(key: string): Promise<BlobInfo | undefined> {
    const found = await stat(this.#path(key)).catch(() => undefined);
    return found?.isFile() ? { sizeBytes: found.size, usedAt: found.mtimeMs } : undefined;
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
  }

  /** Lists every key below the directory `prefix`, lazily, because there may be millions. `tmp` contains leftovers of unfinished uploads. */
  async *list(prefix: string): AsyncGenerator<string> {
    for await (const path of filesBelow(this.#path(prefix))) {
      yield path
        .slice(this.dir.length + 1)
        .split(sep)
        .join('/');
    }
  }

  /** Free space on the file system for this user, bytes. */
  async freeBytes(): Promise<number> {
    await mkdir(this.dir, { recursive: true });
    const { bavail, bsize } = await statfs(this.dir);
    return bavail * bsize;
  }

  #path(key: string): string {
    if (!KEY.test(key)) throw new RangeError(`not a blob key: ${JSON.stringify(key)}`);
    return join(this.dir, key);
  }
}

/** Entries per read of a directory. */
const ENTRIES_AT_A_TIME = 256;

/** Files below a directory, unordered; none if it doesn't exist. Files that are deleted meanwhile may be included. */
async function* filesBelow(path: string): AsyncGenerator<string> {
  const dir = await opendir(path, { bufferSize: ENTRIES_AT_A_TIME }).catch(() => undefined);
  for await (const entry of dir ?? []) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) yield* filesBelow(below);
    else if (entry.isFile()) yield below;
  }
}

/** Makes the names in a directory durable. */
async function syncDir(path: string): Promise<void> {
  const dir = await open(path);
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}
