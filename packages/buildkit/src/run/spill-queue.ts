import { type FileHandle, open } from 'node:fs/promises';

const READ_BYTES = 256 * 1024;

/**
 * A queue of bytes whose writer never waits for its reader, only for the disk: data beyond `memoryBytes` goes into a file. For one writer and
 * one reader.
 */
export class SpillQueue implements AsyncDisposable {
  readonly #path: string;
  readonly #memoryBytes: number;
  #memory: Buffer[] = [];
  #heldBytes = 0;
  #file: FileHandle | undefined;
  /** Positions in the file: up to where it is read, and completely written. */
  #readAt = 0;
  #writtenTo = 0;
  /** Whether new data goes into the file: it must while there is older data in it. */
  #spilling = false;
  #writing = false;
  #ended = false;
  #wake: () => void = () => {};

  constructor(path: string, memoryBytes: number) {
    this.#path = path;
    this.#memoryBytes = memoryBytes;
  }

  /** @throws the file system's errors, as of a full disk */
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

  /** Yields the pushed data in order, until `end`. */
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
      // The file is overwritten from its beginning, so it never grows beyond the largest backlog.
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
