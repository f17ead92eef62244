import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { BlobStore } from '@kiln/state';

/** Stores blobs in memory; `now` is its clock. Has no temporary files: staging uploads is tested on a real disk. */
export class MemoryBlobs implements BlobStore {
  readonly held = new Map<string, { bytes: Buffer; usedAt: number }>();
  now = 0;

  async put(key: string, content: Readable): Promise<{ digest: string; sizeBytes: number }> {
    const bytes = await buffer(content);
    this.held.set(key, { bytes, usedAt: this.now });
    return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, sizeBytes: bytes.length };
  }

  async open(key: string, { start = 0, end }: { start?: number; end?: number } = {}): Promise<Readable | undefined> {
    const blob = this.held.get(key);
    return blob && Readable.from([blob.bytes.subarray(start, end === undefined ? undefined : end + 1)]);
  }

  async stat(key: string): Promise<{ sizeBytes: number; usedAt: number } | undefined> {
    const blob = this.held.get(key);
    return blob && { sizeBytes: blob.bytes.length, usedAt: blob.usedAt };
  }

  async delete(key: string): Promise<void> {
    this.held.delete(key);
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for (const key of [...this.held.keys()]) if (key.startsWith(`${prefix}/`)) yield key;
  }

  tempPath(): Promise<string> {
    throw new Error('MemoryBlobs has no files');
  }

  adopt(): Promise<void> {
    throw new Error('MemoryBlobs has no files');
  }
}
