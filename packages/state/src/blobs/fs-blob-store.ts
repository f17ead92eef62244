import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, statfs, utimes } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface BlobInfo {
  readonly sizeBytes: number;
  /** Last use, ms since the epoch: `open` and `put` count. */
  readonly usedAt: number;
}

/** Something stored under a key; keys are `/`-separated names of letters, digits, `.`, `_`, `-`. */
export interface BlobStore {
  /** Stores a stream whole or not at all. */
  put(key: string, content: Readable): Promise<{ digest: string; sizeBytes: number }>;
  open(key: string): Promise<Readable | undefined>;
}

const KEY = /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;
const TEMP = 'tmp';

/** Blobs as files below one directory. Several processes may share it: each blob appears by a rename. */
export class FsBlobStore implements BlobStore {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** A fresh path on the same file system, for something that `adopt` takes over later. */
  async tempPath(): Promise<string> {
    await mkdir(join(this.dir, TEMP), { recursive: true });
    return join(this.dir, TEMP, randomUUID());
  }

  /** Makes a finished temporary file the blob `key`; the content is the same where it exists already. */
  async adopt(tempPath: string, key: string): Promise<void> {
    const path = this.#path(key);
    await mkdir(dirname(path), { recursive: true });
    await rename(tempPath, path);
  }

  /** `digest` is sha256 of the bytes. Errors of the file system (ENOSPC) come through; nothing is left behind. */
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
      await pipeline(content, measure, createWriteStream(temp, { mode: 0o600 }));
      await this.adopt(temp, key);
    } catch (error) {
      await rm(temp, { force: true });
      throw error;
    }
    return { digest: `sha256:${hash.digest('hex')}`, sizeBytes };
  }

  /** From byte `start` to byte `end`, both included; the whole where they aren't given. Counts as a use. */
  async open(key: string, range: { start?: number; end?: number } = {}): Promise<Readable | undefined> {
    const path = this.#path(key);
    if (!(await this.stat(key))) return undefined;
    const now = new Date();
    await utimes(path, now, now).catch(() => {});
    return createReadStream(path, range);
  }

  async stat(key: string): Promise<BlobInfo | undefined> {
    const found = await stat(this.#path(key)).catch(() => undefined);
    return found?.isFile() ? { sizeBytes: found.size, usedAt: found.mtimeMs } : undefined;
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
  }

  /** Every key below `prefix`, a directory. `tmp` lists what unfinished uploads left. */
  async *list(prefix: string): AsyncGenerator<string> {
    const found = await readdir(this.#path(prefix), { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of found) {
      if (entry.isFile())
        yield join(entry.parentPath, entry.name)
          .slice(this.dir.length + 1)
          .split(sep)
          .join('/');
    }
  }

  /** Room on the file system that this user may still take. */
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
