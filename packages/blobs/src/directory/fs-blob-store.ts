import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, statfs, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pMap from 'p-map';
import { batches } from '../batches.ts';
import {
  type Adoption,
  type BlobInfo,
  type BlobRange,
  type BlobStore,
  checkKey,
  checkRange,
  type ListedBlob,
  type StoredBlob,
  TEMP,
} from '../blob-store.ts';
import { Measure } from '../measure.ts';
import { Spool } from '../spool.ts';
import { filesBelow, infoOf, makeDir, sync, unlessGone } from './files.ts';

/** Files that are deleted together: few enough for a disk that serves others meanwhile. */
const AT_ONCE = 16;
/** The file system makes what is synced at the same time durable together. */
const SYNCS_AT_ONCE = { concurrency: 16 };

/** Blobs as files below a directory. Several processes may share it, because each blob appears by a rename. */
export class FsBlobStore implements BlobStore {
  readonly dir: string;
  readonly #spool: Spool;

  constructor(dir: string) {
    this.dir = dir;
    this.#spool = new Spool(join(dir, TEMP));
  }

  async tempPath(): Promise<string> {
    return this.#spool.newPath();
  }

  /** A blob that exists already has the same content. */
  async adopt(tempPath: string, key: string): Promise<void> {
    const path = this.#path(key);
    await sync(tempPath);
    await makeDir(dirname(path));
    await rename(tempPath, path);
    await sync(dirname(path));
  }

  async adoptTogether(groups: readonly (readonly Adoption[])[], onStored?: (group: number) => void): Promise<void> {
    const moves = groups.map((group) => group.map(({ tempPath, key }) => ({ tempPath, path: this.#path(key) })));
    // What isn't visible yet needs no order.
    await Promise.all([
      pMap(dirsOf(moves.flat()), makeDir, SYNCS_AT_ONCE),
      pMap(moves.flat(), ({ tempPath }) => sync(tempPath), SYNCS_AT_ONCE),
    ]);
    for (const [at, group] of moves.entries()) {
      await pMap(group, ({ tempPath, path }) => rename(tempPath, path), SYNCS_AT_ONCE);
      await pMap(dirsOf(group), sync, SYNCS_AT_ONCE);
      onStored?.(at);
    }
  }

  async put(key: string, content: Readable): Promise<StoredBlob> {
    this.#path(key);
    const temp = await this.tempPath();
    const measure = new Measure();
    try {
      await pipeline(content, measure, createWriteStream(temp, { mode: 0o600 }));
      await this.adopt(temp, key);
    } catch (error) {
      await rm(temp, { force: true });
      throw error;
    }
    return measure.result();
  }

  async open(key: string, range: BlobRange = {}): Promise<Readable | undefined> {
    checkRange(range);
    const path = this.#path(key);
    if (!(await infoOf(path))) return undefined;
    // Opened before it returns, so a blob that is deleted meanwhile is still read to its end.
    return (await open(path).catch(unlessGone))?.createReadStream(range);
  }

  async stat(key: string): Promise<BlobInfo | undefined> {
    return infoOf(this.#path(key));
  }

  async touch(key: string, unusedMs: number): Promise<BlobInfo | undefined> {
    const path = this.#path(key);
    const info = await infoOf(path);
    const now = Date.now();
    if (!info || now - info.usedAt <= unusedMs) return info;
    await utimes(path, new Date(now), new Date(now)).catch(unlessGone);
    return infoOf(path);
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true }).catch(unlessGone);
  }

  async deleteMany(keys: Iterable<string>): Promise<void> {
    for (const some of batches(keys, AT_ONCE)) await Promise.all(some.map((key) => this.delete(key)));
  }

  async *list(prefix: string): AsyncGenerator<ListedBlob> {
    for await (const { path, info } of filesBelow(this.#path(prefix))) {
      yield { key: path.slice(this.dir.length + 1), ...info };
    }
  }

  async deleteLeftovers(before: number): Promise<number> {
    return this.#spool.deleteOld(before);
  }

  /** Free space on the file system for this user, bytes. */
  async freeBytes(): Promise<number> {
    await mkdir(this.dir, { recursive: true });
    const { bavail, bsize } = await statfs(this.dir);
    return bavail * bsize;
  }

  #path(key: string): string {
    checkKey(key);
    return join(this.dir, key);
  }
}

function dirsOf(moves: readonly { readonly path: string }[]): string[] {
  return [...new Set(moves.map(({ path }) => dirname(path)))];
}
