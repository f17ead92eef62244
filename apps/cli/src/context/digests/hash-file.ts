import { createHash, hash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type FileState, permissionsOf, stateOf } from '../file-state.ts';

/** A path as calls of the file system take it. */
type Path = string | Uint8Array;

/** A file that was read: its content's SHA-256 in hexadecimal, and what the file system said before and after. */
export interface HashedFile {
  readonly sha256: string;
  readonly mode: number;
  readonly state: FileState;
  /** When the reading began, ms since the epoch. */
  readonly readAtMs: number;
}

/** Why a file wasn't hashed: it changed each time, or it is gone or no file any longer (`changed`); or an error of the file system. */
export interface NotHashed {
  readonly changed: boolean;
  readonly code: string | undefined;
  readonly message: string;
}

const CHUNK_BYTES = 1024 * 1024;
/** After so many bytes other work gets its turn, such as Ctrl-C. */
const TURN_BYTES = 32 * CHUNK_BYTES;
const TRIES = 3;
const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EMLINK']);

/**
 * Hashes files, one after the other, in memory that doesn't depend on their size. A file that changes while it is read is read again.
 * Used in worker threads: it needs little but Node, so that they start at once.
 */
export class FileHasher {
  readonly #buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);

  async hash(path: Path): Promise<HashedFile | NotHashed> {
    try {
      for (let tries = 1; tries <= TRIES; tries += 1) {
        const hashed = await this.#once(path);
        if (hashed) return hashed;
      }
      return { changed: true, code: undefined, message: 'changed each time it was read' };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return { changed: code !== undefined && GONE.has(code), code, message };
    }
  }

  /** Returns undefined if the file changed meanwhile. */
  async #once(path: Path): Promise<HashedFile | undefined> {
    const readAtMs = Date.now();
    // A pipe that took the file's place would otherwise be waited for.
    const file = openSync(path as string, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(file, { bigint: true });
      if (!stats.isFile()) return undefined;
      const sizeBytes = Number(stats.size);
      const { sha256, bytes } = await this.#content(file, sizeBytes);
      return bytes === sizeBytes && unchanged(stats, fstatSync(file, { bigint: true }))
        ? { sha256, mode: permissionsOf(stats), state: stateOf(stats), readAtMs }
        : undefined;
    } finally {
      closeSync(file);
    }
  }

  async #content(file: number, sizeBytes: number): Promise<{ sha256: string; bytes: number }> {
    let bytes = readSync(file, this.#buffer);
    const first = this.#buffer.subarray(0, bytes);
    // Most files are small, and this is faster. Whether they have grown is seen by their state.
    if (bytes === sizeBytes) return { sha256: hash('sha256', first), bytes };
    const sha256 = createHash('sha256').update(first);
    for (let read = readSync(file, this.#buffer); read > 0; read = readSync(file, this.#buffer)) {
      sha256.update(this.#buffer.subarray(0, read));
      bytes += read;
      if (bytes % TURN_BYTES < CHUNK_BYTES) await nextTurn();
    }
    return { sha256: sha256.digest('hex'), bytes };
  }
}

function unchanged(before: BigIntStats, after: BigIntStats): boolean {
  return before.size === after.size && before.mtimeNs === after.mtimeNs && before.ctimeNs === after.ctimeNs;
}
