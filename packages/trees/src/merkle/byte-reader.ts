import { TreeCutOff } from './tree-fault.ts';

/** Takes exact numbers of bytes from a stream of chunks. */
export class ByteReader implements AsyncDisposable {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#chunks = bytes[Symbol.asyncIterator]();
  }

  /** Returns the next `count` bytes together. @throws TreeCutOff @throws what the stream throws */
  async take(count: number): Promise<Buffer> {
    if (this.#rest.length >= count) return this.#cut(count);
    const parts = [this.#rest];
    let length = this.#rest.length;
    while (length < count) {
      const chunk = await this.#next();
      if (!chunk) throw new TreeCutOff();
      parts.push(chunk);
      length += chunk.length;
    }
    this.#rest = Buffer.concat(parts);
    return this.#cut(count);
  }

  async byte(): Promise<number> {
    return (await this.take(1))[0] as number;
  }

  /** Yields the next `count` bytes as they come. @throws as `take` */
  async *stream(count: number): AsyncGenerator<Buffer> {
    let left = count;
    while (left > 0) {
      if (this.#rest.length === 0) {
        const chunk = await this.#next();
        if (!chunk) throw new TreeCutOff();
        this.#rest = chunk;
        continue;
      }
      const part = this.#cut(Math.min(left, this.#rest.length));
      left -= part.length;
      yield part;
    }
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const chunk = await this.#next();
      if (!chunk) return true;
      this.#rest = chunk;
    }
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.();
  }

  #cut(count: number): Buffer {
    const part = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return part;
  }

  async #next(): Promise<Buffer | undefined> {
    const { value, done } = await this.#chunks.next();
    if (done) return undefined;
    const chunk = value as Uint8Array;
    return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}
