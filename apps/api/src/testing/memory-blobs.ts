import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { BlobInfo, BlobRange, BlobStore, ListedBlob, StoredBlob } from '@kiln/blobs';

/** Stores blobs in memory; `now` is its clock. Has no temporary files: staging uploads is tested on a real disk. */
export class MemoryBlobs implements BlobStore {
  readonly held = new Map<string, { bytes: Buffer; usedAt: number }>();
  now = 0;

  async put(key: string, content: Readable): Promise<StoredBlob> {
    const bytes = await buffer(content);
    this.held.set(key, { bytes, usedAt: this.now });
    return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, sizeBytes: bytes.length };
  }

  async open(key: string, { start = 0, end }: BlobRange = {}): Promise<Readable | undefined> {
    const blob = this.held.get(key);
    return blob && Readable.from([blob.bytes.subarray(start, end === undefined ? undefined : end + 1)]);
  }

  async stat(key: string): Promise<BlobInfo | undefined> {
    const blob = this.held.get(key);
    return blob && { sizeBytes: blob.bytes.length, usedAt: blob.usedAt };
  }

  async delete(key: string): Promise<void> {
    this.held.delete(key);
  }

  async touch(key: string, unusedMs: number): Promise<BlobInfo | undefined> {
    const blob = this.held.get(key);
    if (blob && this.now - blob.usedAt > unusedMs) blob.usedAt = this.now;
    return this.stat(key);
  }

  async deleteMany(keys: Iterable<string>): Promise<void> {
    for (const key of keys) this.held.delete(key);
  }

  async *list(prefix: string): AsyncGenerator<ListedBlob> {
    for (const [key, { bytes, usedAt }] of [...this.held]) {
      if (key.startsWith(`${prefix}/`)) yield { key, sizeBytes: bytes.length, usedAt };
    }
  }

  async deleteLeftovers(): Promise<number> {
    return 0;
  }

  tempPath(): Promise<string> {
    throw new Error('MemoryBlobs has no files');
  }

  adopt(): Promise<void> {
    throw new Error('MemoryBlobs has no files');
  }
}
