import { type FileHandle, open, unlink } from 'node:fs/promises';

const CHUNK_BYTES = 256 * 1024;

/** Keeps contents by id: the first in memory, the rest in a file without a name, which is gone with the process. */
export class ContentSpool implements AsyncDisposable {
  readonly #path: string;
  readonly #memoryBytes: number;
  readonly #held = new Map<string, Buffer>();
  readonly #spilled = new Map<string, { readonly at: number; readonly sizeBytes: number }>();
  #heldBytes = 0;
  #file: FileHandle | undefined;
  #end = 0;

  /** @param path a file that doesn't exist yet, for what exceeds `memoryBytes` */
  constructor(path: string, memoryBytes: number) {
    this.#path = path;
    this.#memoryBytes = memoryBytes;
  }

  has(id: string): boolean {
    return this.#held.has(id) || this.#spilled.has(id);
  }

  /** @throws the file system's errors, as of a full disk */
  async put(id: string, content: Buffer): Promise<void> {
    if (this.has(id)) return;
    if (this.#heldBytes + content.length <= this.#memoryBytes) {
      this.#held.set(id, Buffer.from(content));
      this.#heldBytes += content.length;
      return;
    }
    this.#file ??= await nameless(this.#path);
    await this.#file.write(content, 0, content.length, this.#end);
    this.#spilled.set(id, { at: this.#end, sizeBytes: content.length });
    this.#end += content.length;
  }

  /** Yields a content that it has. */
  async *get(id: string): AsyncGenerator<Buffer> {
    const held = this.#held.get(id);
    if (held) return yield held;
    const spilled = this.#spilled.get(id);
    if (!spilled || !this.#file) throw new RangeError(`no content with the id ${id}`);
    for (let done = 0; done < spilled.sizeBytes; ) {
      const length = Math.min(CHUNK_BYTES, spilled.sizeBytes - done);
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(length), 0, length, spilled.at + done);
      if (bytesRead === 0) throw new Error('the spool file was cut off');
      yield buffer.subarray(0, bytesRead);
      done += bytesRead;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }
}

async function nameless(path: string): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}
