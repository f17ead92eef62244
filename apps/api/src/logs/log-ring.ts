import type { LogChunk } from './log-chunk.ts';

/** The newest records of a live log, without a gap, up to a budget. */
export class LogRing {
  readonly #maxChars: number;
  readonly #chunks: LogChunk[] = [];
  #chars = 0;

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  /** `chunk` follows on what is here. The oldest go when there is too much; the newest stays, whatever its size. */
  push(chunk: LogChunk): void {
    this.#chunks.push(chunk);
    this.#chars += chunk.sizeChars;
    while (this.#chars > this.#maxChars && this.#chunks.length > 1) {
      this.#chars -= this.#chunks.shift()?.sizeChars ?? 0;
    }
  }

  /** Begins anew: what is pushed next doesn't follow on what is here. */
  clear(): void {
    this.#chunks.length = 0;
    this.#chars = 0;
  }

  /** The records right after `seq`; undefined where they are no longer, or not yet, here. */
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
