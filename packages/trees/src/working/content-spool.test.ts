import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ContentSpool } from './content-spool.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-spool-'));
});
afterAll(() => rm(dir, { recursive: true }));

async function read(spool: ContentSpool, id: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of spool.get(id)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

test('returns every content as it was put, in any order, also while others are still put', async () => {
  const sizes = fc.array(fc.oneof(fc.nat(50_000), fc.constantFrom(1_048_576, 1_500_000)), { maxLength: 60 });
  let files = 0;
  await fc.assert(
    fc.asyncProperty(sizes, fc.array(fc.nat(), { maxLength: 40 }), async (all, order) => {
      await using spool = new ContentSpool(join(dir, `${files++}`), 60_000);
      const contents = all.map((size, i) => Buffer.alloc(size, `${i} of ${size} `));
      const check = async (i: number) =>
        expect((await read(spool, `${i}`)).equals(contents[i] as Buffer), `${i}`).toBe(true);
      for (const [i, content] of contents.entries()) {
        await spool.put(`${i}`, content);
        const again = order[i];
        if (again !== undefined) await check(again % (i + 1));
      }
      for (const [i] of contents.entries()) await check(i);
    }),
    { numRuns: 30 },
  );
  expect(await readdir(dir)).toEqual([]);
});
