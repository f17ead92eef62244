import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { TempDir } from '../../testing/temp-dir.ts';
import { readLocalContext } from '../local-context.ts';
import { chooseEncoding, encoded } from './compression.ts';
import { sampleOf } from './sample.ts';

it('compresses what can be compressed, and nothing else', () => {
  expect(chooseEncoding(Buffer.from('int main() { return 0; }\n'.repeat(100)))).toBe('zstd');
  expect(chooseEncoding(randomBytes(10_000))).toBe('identity');
  expect(chooseEncoding(Buffer.alloc(0))).toBe('identity');
});

it('takes a sample that does not depend on the size of the files, from all over them', async () => {
  await using dir = await TempDir.with({
    Dockerfile: '',
    a: 'a'.repeat(1000),
    b: 'b'.repeat(1_000_000),
    c: 'c'.repeat(900_000),
  });
  await writeFile(join(dir.path, 'd'), '');
  const { tree } = await readLocalContext({ cwd: dir.path, path: '.', dockerfile: undefined });
  const files = tree.children.filter((child) => child.type === 'file');
  const sample = sampleOf(files).toString();
  expect(sample.length).toBeGreaterThan(200_000);
  expect(sample.length).toBeLessThan(300_000);
  expect(sample).toMatch(/^b+c+$/);
  expect(sampleOf(files.slice(0, 2)).toString()).toBe('a'.repeat(1000));
  expect(sampleOf([])).toHaveLength(0);
});

it('encodes a stream, and ends with the error of its source', async () => {
  const bytes = Buffer.from('text '.repeat(200_000));
  const source = () => Readable.from([bytes.subarray(0, 10), bytes.subarray(10, 500_000), bytes.subarray(500_000)]);
  expect((await buffer(encoded(source(), 'identity'))).equals(bytes)).toBe(true);
  expect(zstdDecompressSync(await buffer(encoded(source(), 'zstd'))).equals(bytes)).toBe(true);
  expect(gunzipSync(await buffer(encoded(source(), 'gzip'))).equals(bytes)).toBe(true);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield bytes;
    throw new Error('gone');
  }
  for (const encoding of ['identity', 'zstd', 'gzip'] as const)
    await expect(buffer(encoded(broken(), encoding))).rejects.toThrow('gone');
});
