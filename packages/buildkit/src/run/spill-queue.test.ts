import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SpillQueue } from './spill-queue.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-spill-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const path = () => join(dir, `${Math.random()}`);

test('yields the pushed data in order, however reader and writer take turns', async () => {
  const turns = fc.array(fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.constant('read' as const)), {
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(turns, fc.integer({ min: 0, max: 60 }), async (script, memoryBytes) => {
      await using queue = new SpillQueue(path(), memoryBytes);
      const chunks = queue.chunks();
      const pushed: number[] = [];
      const read: number[] = [];
      const take = async () => {
        const { value } = await chunks.next();
        if (value) read.push(...value);
      };
      for (const turn of script) {
        if (turn !== 'read') {
          await queue.push(Buffer.from(turn));
          pushed.push(...turn);
        } else if (read.length < pushed.length) await take();
      }
      queue.end();
      for await (const chunk of chunks) read.push(...chunk);
      expect(read).toEqual(pushed);
    }),
  );
});

test('wakes a waiting reader', async () => {
  await using queue = new SpillQueue(path(), 10);
  const first = queue.chunks().next();
  await queue.push(Buffer.from('now'));
  expect((await first).value?.toString()).toBe('now');
});

test('never makes the writer wait, and reuses the file once the reader has caught up', async () => {
  const file = path();
  await using queue = new SpillQueue(file, 100);
  const chunks = queue.chunks();
  const backlog = 50;
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < backlog; i++) await queue.push(Buffer.alloc(100, i));
    for (let left = backlog * 100; left > 0; ) left -= (await chunks.next()).value?.length ?? 0;
  }
  expect((await stat(file)).size).toBeLessThanOrEqual(backlog * 100);
});
