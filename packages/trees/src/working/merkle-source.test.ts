import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ByteString, byteString } from '../merkle/byte-string.ts';
import { partOf } from '../merkle/read-entries.ts';
import { TreePartMissing } from '../merkle/tree-reader.ts';
import { MemoryTrees, type TestTree } from '../testing/memory-trees.ts';
import { MerkleSource } from './merkle-source.ts';
import type { ListedFile, Listing } from './tree-source.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-source-'));
});
afterAll(() => rm(dir, { recursive: true }));

const filesOf = (listing: Listing) => listing.filter((entry): entry is ListedFile => entry.type === 'file');

async function contentsOf(source: MerkleSource, files: readonly ListedFile[]): Promise<Record<string, number>> {
  const read: Record<string, number> = {};
  for await (const { file, content } of source.contents(files)) {
    let length = 0;
    for await (const chunk of content) length += chunk.length;
    expect(length).toBe(file.sizeBytes);
    read[file.path] = length;
  }
  return read;
}

const big = Buffer.alloc(100_000, 'x');
const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`m${i}`, `content ${i}`]));
const tree: TestTree = {
  a: 'A',
  empty: '',
  'bytes:caf\xe9': 'latin',
  big,
  link: { link: '/out' },
  d: { dir: { e: { dir: { f: 'F', copy: big, none: { dir: {} } } }, g: 'A' } },
  'd.x': 'sorts after d/',
  many: { dir: many },
};

test('lists a tree depth first, names in the order of their bytes, and reads all of its contents', async () => {
  const trees = new MemoryTrees();
  await using source = new MerkleSource(trees.put(tree), trees, { spoolFile: join(dir, 'spool') });
  const listing = await source.list([]);
  const top = listing.map(({ path }) => path).filter((path) => !path.startsWith('many/'));
  expect(top).toEqual([
    ...['a', 'big', 'caf\xe9', 'd', 'd/e', 'd/e/copy', 'd/e/f', 'd/e/none', 'd/g', 'd.x', 'empty', 'link', 'many'],
  ]);
  const read = await contentsOf(source, filesOf(listing));
  expect(Object.keys(read)).toHaveLength(3000 + 7);
  expect(read).toMatchObject({ big: 100_000, 'd/e/copy': 100_000, 'd/g': 1 });
  expect(read).not.toHaveProperty('empty');
});

test('lists a divided directory of which a part is also a directory of its own, known or in the same tree', async () => {
  const trees = new MemoryTrees();
  const names = Object.keys(many).map((name) => byteString(name));
  const part = names.filter((name) => partOf(name) === partOf(names[0] as ByteString));
  const alone = Object.fromEntries(part.map((name) => [name, many[name] as string]));
  await using first = new MerkleSource(trees.put({ a: { dir: alone } }), trees, { spoolFile: join(dir, 'spool') });
  const known = await first.list([]);
  for (const next of [
    { many: { dir: many } },
    { a: { dir: alone }, many: { dir: many } },
    { many: { dir: many }, z: { dir: alone } },
  ]) {
    await using second = new MerkleSource(trees.put(next), trees, { spoolFile: join(dir, 'spool') });
    const listing = await second.list(known);
    await using fresh = new MerkleSource(trees.put(next), trees, { spoolFile: join(dir, 'spool') });
    expect(listing).toEqual(await fresh.list([]));
    expect(Object.keys(await contentsOf(second, filesOf(listing)))).toHaveLength(filesOf(listing).length);
  }
});

test('asks only for directories that are not known, wherever they were, and lists the same', async () => {
  const trees = new MemoryTrees();
  await using first = new MerkleSource(trees.put(tree), trees, { spoolFile: join(dir, 'spool') });
  const known = await first.list([]);
  const { d, ...rest } = tree;
  const next = trees.put({ ...rest, moved: d as TestTree[string], new: { dir: { n: 'N' } } });
  trees.reads.length = 0;
  await using second = new MerkleSource(next, trees, { spoolFile: join(dir, 'spool') });
  const listing = await second.list(known);
  expect(trees.reads.map(({ directories }) => directories.length)).toEqual([1, 1]);
  await using fresh = new MerkleSource(next, trees, { spoolFile: join(dir, 'spool') });
  expect(listing).toEqual(await fresh.list([]));
  // The contents of directories that weren't fetched can be read all the same, also of a divided one.
  const read = await contentsOf(second, filesOf(listing));
  expect(read).toMatchObject({ 'moved/e/f': 1, 'many/m2999': 12 });
});

test('keeps small files beyond some megabytes on the disk, in a file without a name', async () => {
  const trees = new MemoryTrees();
  const files = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`f${i}`, Buffer.alloc(30_000, `${i} `)]));
  await using source = new MerkleSource(trees.put(files), trees, { spoolFile: join(dir, 'spool') });
  const listing = await source.list([]);
  trees.reads.length = 0;
  for await (const { file, content } of source.contents(filesOf(listing))) {
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(Buffer.from(chunk));
    expect(Buffer.concat(chunks).equals(files[file.path] as Buffer)).toBe(true);
  }
  expect(trees.reads).toEqual([]);
  expect(await readdir(dir)).toEqual([]);
});

test('names an object that is no longer stored', async () => {
  const trees = new MemoryTrees();
  const gone = `sha256:${'0'.repeat(64)}` as const;
  await using source = new MerkleSource(gone, trees, { spoolFile: join(dir, 'spool') });
  await expect(source.list([])).rejects.toEqual(new TreePartMissing(gone));
});
