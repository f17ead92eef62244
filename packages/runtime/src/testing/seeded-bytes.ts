import { createCipheriv, createHash } from 'node:crypto';

/** Bytes that don't compress, the same ones for a seed each time, for tests whose bounds depend on the content. */
export function seededBytes(size: number, seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
}
