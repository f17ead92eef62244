import type { LogChunk } from './log-chunk.ts';

/** Keeps the newest records of a live log, without gaps, up to a budget. */
export class LogRing {
  readonly #maxChars: number;
  readonly #chunks: LogChunk[] = [];
  #chars = 0;

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  /** Adds a chunk that must follow on the newest one. Drops the oldest ones over budget, but never the newest. */
  push(chunk: LogChunk): void {
    this.#chunks.push(chunk);
    this.#chars += chunk.sizeChars;
    while (this.#chars > this.#maxChars && this.#chunks.length > 1) {
      this.#chars -= this.#chunks.shift()?.sizeChars ?? 0;
    }
  }

  /** Drops everything, so that the next chunk needn't follow on it. */
  clear(): void {
    this.#chunks.length = 0;
    this.#chars = 0;
  }

  /** The records right after `seq`; undefined if they are no longer, or not yet, here. */
  after(seq: number): LogChunk | undefined {
    const [oldest] = this.#chunks;
    if (!oldest || seq + 1 < oldest.firstSeq) return undefined;
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle] as LogChunk).lastSeq > seq) high = middle;
      else low = middle + 1;
    }
    return this.#chunks[low]?.after(seq);
  }
}
