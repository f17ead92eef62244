import { type FileHandle, open, unlink } from 'node:fs/promises';

/** Contents are small, and mostly read in the order in which they came: so they are written and read together. */
const WINDOW_BYTES = 1024 * 1024;

/** Keeps contents by id: the first in memory, the rest in a file without a name, which is gone with the process. */
export class ContentSpool implements AsyncDisposable {
  readonly #path: string;
  readonly #memoryBytes: number;
  readonly #held = new Map<string, Buffer>();
  readonly #spilled = new Map<string, { readonly at: number; readonly sizeBytes: number }>();
  #heldBytes = 0;
  #file: FileHandle | undefined;
  /** What isn't written yet; begins at `#writtenTo`. */
  #pending: Buffer[] = [];
  #writtenTo = 0;
  #end = 0;
  /** A part of the file, which begins at `#windowAt`. */
  #window: Buffer = Buffer.alloc(0);
  #windowAt = 0;

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
    const copy = Buffer.from(content);
    if (this.#heldBytes + copy.length <= this.#memoryBytes) {
      this.#held.set(id, copy);
      this.#heldBytes += copy.length;
      return;
    }
    this.#pending.push(copy);
    this.#spilled.set(id, { at: this.#end, sizeBytes: copy.length });
    this.#end += copy.length;
    if (this.#end - this.#writtenTo >= WINDOW_BYTES) await this.#flush();
  }

  /** Yields a content that it has. @throws as `put` */
  async *get(id: string): AsyncGenerator<Buffer> {
    const held = this.#held.get(id);
    if (held) return yield held;
    const spilled = this.#spilled.get(id);
    if (!spilled) throw new RangeError(`no content with the id ${id}`);
    const end = spilled.at + spilled.sizeBytes;
    for (let at = spilled.at; at < end; ) {
      await this.#look(at, end);
      const from = at - this.#windowAt;
      const part = this.#window.subarray(from, Math.min(this.#window.length, end - this.#windowAt));
      yield part;
      at += part.length;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#file ??= await nameless(this.#path);
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#writtenTo);
      done += bytesWritten;
      this.#writtenTo += bytesWritten;
    }
  }

  /** Makes the window have the byte `at`, and as a whole what is up to `end` if that fits. */
  async #look(at: number, end: number): Promise<void> {
    const windowEnd = this.#windowAt + this.#window.length;
    if (at >= this.#windowAt && (end <= windowEnd || (at < windowEnd && end - at > WINDOW_BYTES))) return;
    if (this.#pending.length > 0) await this.#flush();
    if (!this.#file) throw new RangeError('nothing was spooled');
    const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(WINDOW_BYTES), 0, WINDOW_BYTES, at);
    if (bytesRead === 0) throw new Error('the spool file was cut off');
    this.#window = buffer.subarray(0, bytesRead);
    this.#windowAt = at;
  }
}

async function nameless(path: string): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}
