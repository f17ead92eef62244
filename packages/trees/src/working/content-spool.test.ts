import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ContentSpool } from './content-spool.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-content-spool-'));
});
afterAll(() => rm(dir, { recursive: true }));

const contentOf = (i: number) => Buffer.alloc((i * 7919) % 32_768, `${i} `);

async function read(spool: ContentSpool, id: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of spool.get(id)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('gives every content back, in any order, also while more arrive, and whatever its caller does with the buffer', async () => {
  await using spool = new ContentSpool(join(dir, 'spool'), 100_000);
  const count = 100;
  const reused = Buffer.alloc(32_768);
  for (let i = 0; i < count; i += 1) {
    const content = contentOf(i);
    content.copy(reused);
    await spool.put(String(i), reused.subarray(0, content.length));
    // Of memory, of what isn't in the file yet, and of the file.
    for (const back of [0, 1, 7, 60].filter((n) => n <= i))
      expect((await read(spool, String(i - back))).equals(contentOf(i - back))).toBe(true);
  }
  for (let i = 0; i < count; i += 1) {
    const id = (i * 37) % count;
    expect((await read(spool, String(id))).equals(contentOf(id))).toBe(true);
  }
  expect(await readdir(dir)).toEqual([]);
});

test('keeps what it has given while it reads on', async () => {
  await using spool = new ContentSpool(join(dir, 'spool'), 0);
  for (let i = 0; i < 100; i += 1) await spool.put(String(i), contentOf(i));
  const all: Buffer[] = [];
  for (let i = 0; i < 100; i += 1) all.push(await read(spool, String(i)));
  for (const [i, content] of all.entries()) expect(content.equals(contentOf(i))).toBe(true);
  await expect(read(spool, 'other')).rejects.toThrow('no content with the id other');
});
