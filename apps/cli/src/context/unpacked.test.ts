import { execFileSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import { readPipedContext } from './piped-context.ts';

const PATH = process.env.PATH;
afterEach(() => {
  process.env.PATH = PATH;
});

const text = Buffer.from('a tar, say '.repeat(100_000));
const packed = (packer: string) =>
  packer === 'zstd' ? zstdCompressSync(text) : execFileSync(packer, ['-c'], { input: text });

async function read(bytes: Buffer): Promise<Buffer> {
  const piped = await readPipedContext(Readable.from([bytes.subarray(0, 300), bytes.subarray(300)]));
  if (piped.kind !== 'tar' || piped.gzip) throw new Error(`expected a tar, got ${piped.kind}`);
  return await buffer(piped.bytes());
}

it.each(['bzip2', 'xz', 'zstd'])(
  'decompresses a context with %s, and reports when it is damaged or cut off',
  async (packer) => {
    const bytes = packed(packer);
    expect((await read(bytes)).equals(text)).toBe(true);
    // A zstd stream that is only cut off is taken for its beginning; the server finds that the tar is.
    const bad =
      packer === 'zstd'
        ? Buffer.concat([bytes.subarray(0, 6), Buffer.alloc(100, 0xff)])
        : bytes.subarray(0, bytes.length / 2);
    await expect(read(bad)).rejects.toThrow(`is damaged: ${packer}`);
  },
);

it.each(['bzip2', 'xz'])('reports that %s is missing', async (packer) => {
  const bytes = packed(packer);
  process.env.PATH = '/nowhere';
  await expect(read(bytes)).rejects.toThrow(`compressed with ${packer}, which is not installed`);
});
