import { appendFile, mkdtemp, readFile, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ByteString, TimedEntry } from '@kiln/trees';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EntriesFile } from './entries-file.ts';
import { EntryMemory } from './entry-memory.ts';

let root: string;
let files = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'kiln-entries-'));
});
afterAll(() => rm(root, { recursive: true }));

function entries(count: number, change = -1, ns = 0): TimedEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    type: 'file',
    path: `f${String(i).padStart(6, '0')}` as ByteString,
    mode: 0o644,
    sizeBytes: 1,
    contentId: 'c',
    mtimeNs: BigInt(i === change ? ns : 0),
  }));
}

describe.each([true, false])('a file of entries, durable: %s', (isDurable) => {
  const open = (path: string, limit = 10_000) =>
    new EntriesFile<{ issue: number }>(path, new EntryMemory(limit), isDurable);

  test('appends what differs, and is read by another process as it was saved', async () => {
    const path = join(root, String(files++));
    const file = open(path);
    await file.save({ head: { issue: 1 }, entries: entries(300) });
    const whole = (await stat(path)).size;
    for (let issue = 2; issue < 160; issue += 1) {
      const record = { head: { issue }, entries: entries(300, issue, issue) };
      await file.save(record);
      expect(await open(path).load()).toEqual(record);
    }
    // Two differences each; and the file was rewritten at times.
    const { size } = await stat(path);
    expect(size).toBeGreaterThan(whole);
    expect(size).toBeLessThan(whole + 20 * 1024);
  });

  test('is written as a whole by another process, without memory, and after another process has changed it', async () => {
    const path = join(root, String(files++));
    const lines = async () => (await readFile(path, 'utf8')).split('\n').length - 1;
    const file = open(path);
    const save = (by: typeof file, issue: number) => by.save({ head: { issue }, entries: entries(300, issue, issue) });
    await save(file, 1);
    await save(file, 2);
    expect(await lines()).toBe(4);
    const next = open(path);
    await next.load();
    await save(next, 3);
    expect(await lines()).toBe(2);
    await save(next, 4);
    await appendFile(path, '{"vers');
    await save(next, 5);
    expect(await lines()).toBe(2);
    const forgetful = open(path, 10);
    await save(forgetful, 6);
    await save(forgetful, 7);
    expect(await lines()).toBe(2);
    expect((await open(path).load())?.head).toEqual({ issue: 7 });
  });

  test('counts as absent if the end of it is missing', async () => {
    const path = join(root, String(files++));
    const file = open(path);
    await file.save({ head: { issue: 1 }, entries: entries(10) });
    await file.save({ head: { issue: 2 }, entries: entries(10, 1, 1) });
    await truncate(path, (await stat(path)).size - 3);
    expect(await open(path).load()).toBeUndefined();
  });
});

test('a memory of entries forgets the least recently used ones, and counts the same ones once', () => {
  const memory = new EntryMemory(25);
  const shared = entries(10);
  memory.keep('tree', shared);
  memory.keep('ledger', shared);
  memory.keep('other', entries(10));
  expect(memory.get('tree')).toBe(shared);
  memory.keep('third', entries(10));
  expect(['tree', 'ledger', 'other', 'third'].map((file) => memory.get(file) !== undefined)).toEqual([
    true,
    false,
    false,
    true,
  ]);
  memory.keep('large', entries(26));
  expect(memory.get('large')).toBeUndefined();
});
