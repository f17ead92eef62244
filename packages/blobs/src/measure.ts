import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import type { StoredBlob } from './blob-store.ts';

/** Passes bytes on, and counts and hashes them. */
export class Measure extends Transform {
  readonly #hash = createHash('sha256');
  #sizeBytes = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(chunk);
    this.#sizeBytes += chunk.length;
    done(null, chunk);
  }

  /** What has passed. To be called once, at the end. */
  result(): StoredBlob {
    return { digest: `sha256:${this.#hash.digest('hex')}`, sizeBytes: this.#sizeBytes };
  }
}
