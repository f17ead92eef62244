import { type ByteString, fromBytes } from './byte-string.ts';
import type { Digest } from './tree-entry.ts';
import { TreeCutOff } from './tree-fault.ts';

const DIGEST_BYTES = 32;
const PREFIX = 'sha256:';

/** Appends integers (big-endian), strings and digests to a buffer that grows. */
export class EncodingWriter {
  #buffer = Buffer.allocUnsafe(1024);
  #at = 0;

  uint(value: number, bytes: 1 | 2 | 4 | 6): this {
    this.#grow(bytes);
    this.#at = this.#buffer.writeUIntBE(value, this.#at, bytes);
    return this;
  }

  /** A byte string, up to 65,535 bytes, after its length. */
  string(value: ByteString): this {
    this.uint(value.length, 2);
    this.#grow(value.length);
    this.#at += this.#buffer.write(value, this.#at, 'latin1');
    return this;
  }

  digest(value: Digest): this {
    this.#grow(DIGEST_BYTES);
    this.#at += this.#buffer.write(value.slice(PREFIX.length), this.#at, 'hex');
    return this;
  }

  bytes(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#at));
  }

  #grow(by: number): void {
    if (this.#at + by <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + by));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

/** Reads what `EncodingWriter` wrote. Its methods throw TreeCutOff at the end of the bytes. */
export interface Cursor {
  readonly isAtEnd: boolean;
  uint(bytes: 1 | 2 | 4 | 6): number;
  string(): ByteString;
  digest(): Digest;
}

export function cursorOf(bytes: Buffer): Cursor {
  let at = 0;
  const next = (count: number): number => {
    const from = at;
    at += count;
    if (at > bytes.length) throw new TreeCutOff();
    return from;
  };
  return {
    get isAtEnd() {
      return at === bytes.length;
    },
    uint: (count) => bytes.readUIntBE(next(count), count),
    string() {
      const length = bytes.readUIntBE(next(2), 2);
      const from = next(length);
      return fromBytes(bytes.subarray(from, from + length));
    },
    digest() {
      const from = next(DIGEST_BYTES);
      return `${PREFIX}${bytes.toString('hex', from, from + DIGEST_BYTES)}`;
    },
  };
}
