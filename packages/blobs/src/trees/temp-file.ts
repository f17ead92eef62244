import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { Digest } from '@kiln/trees';

/** Bytes that are collected before they are written: contents of small files come in small pieces. */
const BUFFER_BYTES = 256 * 1024;

/** A file that is written piece by piece. Disposing of it deletes it unless it was released. */
export class TempFile implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #sizeBytes: number;
  #isOpen = true;
  #isReleased = false;

  private constructor(path: string, file: FileHandle, sizeBytes: number) {
    this.path = path;
    this.#file = file;
    this.#sizeBytes = sizeBytes;
  }

  /** Creates a file. @throws the file system's errors */
  static async create(path: string): Promise<TempFile> {
    return new TempFile(path, await open(path, 'wx', 0o600), 0);
  }

  /** Continues a file after its first `sizeBytes`. @throws the file system's errors */
  static async continue(path: string, sizeBytes: number): Promise<TempFile> {
    const file = await open(path, 'r+');
    const continued = new TempFile(path, file, sizeBytes);
    try {
      await file.truncate(sizeBytes);
    } catch (error) {
      await continued[Symbol.asyncDispose]();
      throw error;
    }
    return continued;
  }

  get sizeBytes(): number {
    return this.#sizeBytes + this.#pendingBytes;
  }

  /** Appends bytes, which must not change any more. @throws the file system's errors */
  async write(bytes: Uint8Array): Promise<void> {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= BUFFER_BYTES) await this.#flush();
  }

  /** Writes what is left, and closes the file. @throws the file system's errors */
  async finish(): Promise<void> {
    await this.#flush();
    this.#isOpen = false;
    await this.#file.close();
  }

  /** Leaves the file to the caller. */
  release(): string {
    this.#isReleased = true;
    return this.path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOpen) await this.#file.close();
    this.#isOpen = false;
    if (!this.#isReleased) await rm(this.path, { force: true });
  }

  async #flush(): Promise<void> {
    const pending = this.#pending;
    const bytes = this.#pendingBytes;
    [this.#pending, this.#pendingBytes] = [[], 0];
    for (let at = this.#sizeBytes, rest = pending; rest.length > 0; ) {
      const { bytesWritten } = await this.#file.writev(rest, at);
      at += bytesWritten;
      rest = after(rest, bytesWritten);
    }
    this.#sizeBytes += bytes;
  }
}

/** What is left of `chunks` after their first `bytes`. */
function after(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const first = chunks.findIndex((chunk) => {
    if (skip < chunk.length) return true;
    skip -= chunk.length;
    return false;
  });
  if (first < 0) return [];
  return [(chunks[first] as Uint8Array).subarray(skip), ...chunks.slice(first + 1)];
}

/** The digest of a file's content. */
export async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}
