import { type FileHandle, open } from 'node:fs/promises';

const READ_BYTES = 256 * 1024;

/**
 * A queue of bytes whose writer never waits for its reader, only for the disk: what is more than `memoryBytes` goes into a
 * file. One writer, one reader.
 */
export class SpillQueue implements AsyncDisposable {
  readonly #path: string;
  readonly #memoryBytes: number;
  #memory: Buffer[] = [];
  #heldBytes = 0;
  #file: FileHandle | undefined;
  /** In the file: what is read, and what is written whole. */
  #readAt = 0;
  #writtenTo = 0;
  /** Once something lies in the file, what comes later must go there too, until the reader has caught up. */
  #spilling = false;
  #writing = false;
  #ended = false;
  #wake: () => void = () => {};

  constructor(path: string, memoryBytes: number) {
    this.#path = path;
    this.#memoryBytes = memoryBytes;
  }

  /** @throws what the disk says when it can't take more */
  async push(data: Buffer): Promise<void> {
    if (this.#spilling || this.#heldBytes + data.length > this.#memoryBytes) {
      this.#spilling = true;
      this.#file ??= await open(this.#path, 'w+', 0o600);
      await this.#write(this.#file, data);
    } else {
      this.#memory.push(data);
      this.#heldBytes += data.length;
    }
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** What was pushed, in order, until the end. */
  async *chunks(): AsyncGenerator<Buffer> {
    for (;;) {
      const held = this.#memory.shift();
      if (held) {
        this.#heldBytes -= held.length;
        yield held;
      } else if (this.#readAt < this.#writtenTo) {
        yield await this.#readFile();
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  async #write(file: FileHandle, data: Buffer): Promise<void> {
    this.#writing = true;
    try {
      for (let at = 0; at < data.length; ) {
        const { bytesWritten } = await file.write(data, at, data.length - at, this.#writtenTo);
        at += bytesWritten;
        this.#writtenTo += bytesWritten;
      }
    } finally {
      this.#writing = false;
    }
  }

  async #readFile(): Promise<Buffer> {
    const length = Math.min(READ_BYTES, this.#writtenTo - this.#readAt);
    const { bytesRead, buffer } = await (this.#file as FileHandle).read(Buffer.alloc(length), 0, length, this.#readAt);
    this.#readAt += bytesRead;
    if (this.#readAt === this.#writtenTo && !this.#writing) {
      // Written over from its beginning: it never grows beyond the largest backlog.
      this.#readAt = 0;
      this.#writtenTo = 0;
      this.#spilling = false;
    }
    return buffer.subarray(0, bytesRead);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }
}
