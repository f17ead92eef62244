import { type FileHandle, open, unlink } from 'node:fs/promises';

/** Contents are small: each on its own would cost two calls of the file system. */
const CHUNK_BYTES = 256 * 1024;

/** Keeps contents by id: the first in memory, the rest in a file without a name, which is gone with the process. */
export class ContentSpool implements AsyncDisposable {
  readonly #path: string;
  readonly #memoryBytes: number;
  readonly #held = new Map<string, Buffer>();
  readonly #spilled = new Map<string, { readonly at: number; readonly sizeBytes: number }>();
  #heldBytes = 0;
  #file: FileHandle | undefined;
  /** How much the file has. */
  #writtenBytes = 0;
  /** What comes after that. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** The part of the file that was read last: contents are mostly asked for in the order in which they came. */
  #window = { at: 0, content: Buffer.alloc(0) };

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
    const own = Buffer.from(content);
    if (this.#heldBytes + own.length <= this.#memoryBytes) {
      this.#held.set(id, own);
      this.#heldBytes += own.length;
      return;
    }
    this.#spilled.set(id, { at: this.#writtenBytes + this.#pendingBytes, sizeBytes: own.length });
    this.#pending.push(own);
    this.#pendingBytes += own.length;
    if (this.#pendingBytes >= CHUNK_BYTES) await this.#flush();
  }

  /** Yields a content that it has. */
  async *get(id: string): AsyncGenerator<Buffer> {
    const held = this.#held.get(id);
    if (held) return yield held;
    const spilled = this.#spilled.get(id);
    if (!spilled) throw new RangeError(`no content with the id ${id}`);
    const end = spilled.at + spilled.sizeBytes;
    for (let at = spilled.at; at < end; ) {
      const chunk = (await this.#from(at)).subarray(0, end - at);
      yield chunk;
      at += chunk.length;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }

  /** Returns some bytes from a position on, which stay as they are. */
  async #from(position: number): Promise<Buffer> {
    if (position >= this.#writtenBytes) await this.#flush();
    const { at, content } = this.#window;
    if (position >= at && position < at + content.length) return content.subarray(position - at);
    const length = Math.min(CHUNK_BYTES, this.#writtenBytes - position);
    const { bytesRead, buffer } = await (this.#file as FileHandle).read(
      Buffer.allocUnsafe(length),
      0,
      length,
      position,
    );
    if (bytesRead === 0) throw new Error('the spool file was cut off');
    this.#window = { at: position, content: buffer.subarray(0, bytesRead) };
    return this.#window.content;
  }

  async #flush(): Promise<void> {
    this.#file ??= await nameless(this.#path);
    const batch = Buffer.concat(this.#pending);
    for (let at = 0; at < batch.length; )
      at += (await this.#file.write(batch, at, batch.length - at, this.#writtenBytes + at)).bytesWritten;
    this.#writtenBytes += batch.length;
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}

async function nameless(path: string): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}
