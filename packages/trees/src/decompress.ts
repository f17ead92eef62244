import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TarCutOff, TarFault } from './tar-fault.ts';

const MAGIC_BYTES = 2;

/**
 * Yields the bytes of a tar, decompressed if its first two bytes are those of gzip.
 * @throws TarFault if the gzip stream is damaged @throws TarCutOff if it is truncated @throws whatever `bytes` throws
 */
export async function* decompressed(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const source = bytes[Symbol.asyncIterator]();
  try {
    let head: Buffer = Buffer.alloc(0);
    while (head.length < MAGIC_BYTES) {
      const next = await source.next();
      if (next.done) break;
      head = head.length === 0 ? asBuffer(next.value) : Buffer.concat([head, next.value]);
    }
    const whole = rest(head, source);
    if (head[0] === 0x1f && head[1] === 0x8b) yield* gunzipped(whole);
    else yield* whole;
  } finally {
    await source.return?.();
  }
}

async function* rest(head: Buffer, source: AsyncIterator<Uint8Array>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  for (let next = await source.next(); !next.done; next = await source.next()) yield asBuffer(next.value);
}

async function* gunzipped(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // Errors, also the source's, arrive in the iteration below.
  const gunzip = pipeline(bytes, createGunzip(), () => {});
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'Z_BUF_ERROR') throw new TarCutOff('the gzip stream is cut off');
    if (code?.startsWith('Z_')) throw new TarFault('a damaged gzip stream', 'a tar or a gzipped tar');
    throw error;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
