import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  byteString,
  type Digest,
  type DirectoryPart,
  decodeDirectory,
  digestOf,
  encodeDirectory,
  TreeFault,
  type TreePart,
} from '@kiln/trees';
import { filePart, type MadeTree, treeOf } from '@kiln/trees/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FsBlobStore } from '../directory/fs-blob-store.ts';
import { NoSuchBeginning, TreeIncomplete } from './errors.ts';
import { storedTrees } from './stored-reader.ts';
import { objectKey } from './tree-keys.ts';
import { TreeStore } from './tree-store.ts';
import type { Written } from './tree-writer.ts';

const DAY_MS = 86_400_000;
const LIMITS = { maxEntries: 1_000, maxFileBytes: 100_000_000 };
const BIG = 'large '.repeat(10_000);

let dir: string;
let blobs: FsBlobStore;
let store: TreeStore;
let now: number;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-trees-'));
  blobs = new FsBlobStore(dir);
  now = Date.now();
  store = open();
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

function open(): TreeStore {
  return new TreeStore({ blobs, horizonMs: DAY_MS, exclusively: (_, work) => work(), now: () => now });
}

async function put(parts: Iterable<TreePart>, { team = 'web', limits = LIMITS } = {}): Promise<Written> {
  await using writer = store.write({ team, limits, take: async () => {} });
  try {
    for (const part of parts) await writer.add(part);
  } finally {
    await writer.flush();
  }
  return writer.written;
}

/** A store's methods, to replace some of them. */
const portOf = (given: FsBlobStore) => ({
  tempPath: () => given.tempPath(),
  adopt: given.adopt.bind(given),
  open: given.open.bind(given),
  stat: given.stat.bind(given),
  touch: given.touch.bind(given),
  deleteMany: given.deleteMany.bind(given),
  list: given.list.bind(given),
});

/** Makes all that is stored look unused for a while. */
async function age(ms: number): Promise<void> {
  for await (const { key } of blobs.list('trees')) {
    const at = new Date(now - ms);
    await utimes(join(dir, key), at, at);
  }
}

const directories = ({ parts }: MadeTree) => parts.flatMap((part) => (part.type === 'directory' ? [part] : []));
const digestsOf = ({ parts }: MadeTree) => ({
  directories: parts.flatMap((part) => (part.type === 'directory' ? [part.object.digest] : [])),
  files: parts.flatMap((part) => (part.type === 'file' ? [part.digest] : [])),
});
const leftovers = () => readdir(join(dir, 'tmp')).catch(() => []);

const TREE = treeOf({
  Dockerfile: 'FROM scratch\n',
  empty: '',
  big: BIG,
  link: { link: '../../etc/passwd' },
  src: { in: { 'a.c': 'int a;', again: BIG, lib: { in: {} } } },
  same: { in: { 'a.c': 'int a;', again: BIG, lib: { in: {} } } },
});

test('stores a tree, and reads back what was stored', async () => {
  expect(await store.missing('web', digestsOf(TREE))).toEqual({
    directories: digestsOf(TREE).directories,
    files: digestsOf(TREE).files.map((digest) => ({ digest, storedBytes: 0 })),
  });
  const written = await put(TREE.parts);
  expect(written).toMatchObject({ directories: 3, files: 1 });
  expect(written.newBytes).toBe(written.bytes);
  expect(await store.missing('web', digestsOf(TREE))).toEqual({ directories: [], files: [] });
  expect(await store.tree('web', TREE.root)).toEqual({
    entries: 12,
    fileBytes: 13 + BIG.length * 3 + 12,
    pathBytes: 'same/again'.length,
  });
  const read: [Digest, string][] = [];
  for await (const part of storedTrees(blobs, 'web').read(digestsOf(TREE))) {
    const content = String(await buffer(part.content));
    read.push([part.type === 'file' ? part.digest : part.object.digest, content]);
  }
  expect(read).toEqual([
    ...(await Promise.all(
      directories(TREE).map(async ({ object, content }) => [object.digest, String(await buffer(content))]),
    )),
    [digestOf(Buffer.from(BIG)), BIG],
  ]);
  expect(await leftovers()).toEqual([]);
});

test('stores nothing again, and says so', async () => {
  await put(TREE.parts);
  const again = await put(TREE.parts);
  expect(again).toMatchObject({ directories: 3, files: 1, newBytes: 0 });
  expect(await leftovers()).toEqual([]);
});

test('keeps each team’s trees apart', async () => {
  await put(TREE.parts);
  expect(await store.missing('ops', digestsOf(TREE))).toMatchObject({ directories: digestsOf(TREE).directories });
  expect(await store.tree('ops', TREE.root)).toBeUndefined();
  const top = directories(TREE).at(-1) as TreePart;
  await expect(put([top], { team: 'ops' })).rejects.toThrow(TreeIncomplete);
  await expect(buffer(contentsOf('ops', TREE.root))).rejects.toMatchObject({ code: 'tree_part_missing' });
});

async function* contentsOf(team: string, digest: Digest): AsyncGenerator<Uint8Array> {
  for await (const part of storedTrees(blobs, team).read({ directories: [digest], files: [] })) yield* part.content;
}

describe('rejects a directory', () => {
  test('before what it names, and names what is missing', async () => {
    const [leaf, ...rest] = directories(TREE);
    await expect(put(rest)).rejects.toMatchObject({
      ...{ code: 'tree_incomplete', kind: 'directory', digest: leaf?.object.digest },
    });
    await put([leaf as TreePart]);
    const big = digestOf(Buffer.from(BIG));
    await expect(put(rest)).rejects.toMatchObject({ code: 'tree_incomplete', kind: 'file', digest: big });
    expect(await store.tree('web', TREE.root)).toBeUndefined();
  });

  test('that gives a file another size than its content has', async () => {
    await put([filePart(BIG)]);
    const entry = { type: 'file', name: byteString('f'), mode: 0o644, digest: digestOf(Buffer.from(BIG)) } as const;
    const [object] = encodeDirectory([{ ...entry, sizeBytes: BIG.length + 1 }]);
    const part: TreePart = { type: 'directory', object, content: empty() };
    await expect(put([part])).rejects.toThrow(
      `"f": got a size of ${BIG.length + 1} bytes, expected ${BIG.length}, the size of its content`,
    );
  });

  test.each([
    ['entries', { maxEntries: 11 }, 'got a tree of 12 entries, expected at most 11 entries'],
    ['bytes', { maxFileBytes: 10_000 }, `bytes when unpacked, expected at most 10000 bytes when unpacked`],
  ])('with too many %s in all', async (_, limit, message) => {
    await expect(put(TREE.parts, { limits: { ...LIMITS, ...limit } })).rejects.toThrow(message);
  });

  test('in which one tree occurs again and again, as if it were unpacked', async () => {
    const bomb = (depth: number): Record<string, { in: object }> =>
      depth === 0 ? {} : { a: { in: bomb(depth - 1) }, b: { in: bomb(depth - 1) } };
    await expect(put(treeOf(bomb(10) as never).parts)).rejects.toThrow('got a tree of 1022 entries');
  });

  test('whose paths are longer than a system call takes', async () => {
    let deep = {};
    for (let i = 0; i < 20; i += 1) deep = { [`${'x'.repeat(249)}`]: { in: deep } };
    await expect(put(treeOf(deep).parts)).rejects.toThrow('got a path of 4249 bytes, expected at most 4095 bytes');
  });

  test('whose parts aren’t those of a divided directory', async () => {
    const many = treeOf(Object.fromEntries(Array.from({ length: 1_100 }, (_, i) => [`f${i}`, ''])));
    const whole = directories(many).at(-1)?.object;
    if (whole?.node.type !== 'parts') throw new Error('expected a divided directory');
    const limits = { ...LIMITS, maxEntries: 2_000 };
    await put(many.parts, { limits });
    expect(await store.tree('web', many.root)).toMatchObject({ entries: 1_100 });
    const forged = (parts: Buffer[]) => decodeDirectory(Buffer.concat([Buffer.from('P'), ...parts]));
    const raw = whole.node.parts.map((digest) => Buffer.from(digest.slice(7), 'hex'));
    const swapped = forged([raw[1] as Buffer, raw[0] as Buffer]);
    const divided = forged([Buffer.from(many.root.slice(7), 'hex')]);
    for (const object of [swapped, divided]) {
      await expect(put([{ type: 'directory', object, content: empty() }], { limits })).rejects.toThrow(TreeFault);
    }
  });
});

async function* empty(): AsyncGenerator<Uint8Array> {}

describe('an interrupted upload', () => {
  const content = Buffer.alloc(3 * 1024 * 1024, 'x');
  const digest = digestOf(content);

  /** A part that breaks off after some bytes. */
  function broken(bytes: number, error: Error, offset = 0): TreePart {
    async function* some() {
      yield content.subarray(offset, offset + bytes);
      throw error;
    }
    return { ...filePart(content), offset, content: some() };
  }

  test('leaves what arrived whole, and the beginning of a large file, which can be continued', async () => {
    const parts = [...TREE.parts, broken(2_000_000, new Error('connection lost'))];
    await expect(put(parts)).rejects.toThrow('connection lost');
    expect(await store.tree('web', TREE.root)).toBeDefined();
    const lacking = (team: string) => store.missing(team, { directories: [], files: [digest] });
    expect((await lacking('web')).files).toEqual([{ digest, storedBytes: 2_000_000 }]);
    expect((await lacking('ops')).files).toEqual([{ digest, storedBytes: 0 }]);
    await expect(put([broken(500_000, new Error('again'), 2_000_000)])).rejects.toThrow('again');
    expect((await lacking('web')).files).toEqual([{ digest, storedBytes: 2_500_000 }]);
    // Less than there is: the rest is cut off.
    await put([filePart(content, 2_400_000)]);
    expect((await lacking('web')).files).toEqual([]);
    const stored = (await blobs.open(objectKey('web', 'file', digest))) as Readable;
    expect((await buffer(stored)).equals(content)).toBe(true);
    expect(await leftovers()).toEqual([]);
  });

  test('leaves what arrived whole also if the process dies during a large file', async () => {
    const later = vi.spyOn(performance, 'now');
    async function* slow() {
      yield content.subarray(0, 1_000_000);
      expect(await store.tree('web', TREE.root)).toBeUndefined();
      later.mockReturnValue(performance.now() + 3_000);
      yield content.subarray(1_000_000, 2_000_000);
      expect(await store.tree('web', TREE.root)).toBeDefined();
      yield content.subarray(2_000_000);
    }
    await put([...TREE.parts, { ...filePart(content), content: slow() }]).finally(() => later.mockRestore());
  });

  test('of a directory that took so long that what it names was swept stores no directory without it', async () => {
    const leaf = treeOf({ 'a.c': 'int a;' });
    const whole = treeOf({ src: { in: { 'a.c': 'int a;' } }, small: 'x'.repeat(1000) });
    await put(leaf.parts);
    const top = directories(whole).find(({ object }) => object.digest === whole.root) as DirectoryPart;
    async function* slow() {
      now += 3 * DAY_MS;
      await store.sweep('web', []);
      yield* top.content;
    }
    await expect(put([{ ...top, content: slow() }])).rejects.toThrow(TreeIncomplete);
    expect(await store.tree('web', whole.root)).toBeUndefined();
  });

  test('can be continued only where it broke off, by its team', async () => {
    await expect(put([broken(2_000_000, new Error('lost'))])).rejects.toThrow('lost');
    await expect(put([filePart(content, 2_500_000)])).rejects.toThrow(NoSuchBeginning);
    await expect(put([filePart(content, 2_000_000)], { team: 'ops' })).rejects.toMatchObject({ storedBytes: 0 });
    await put([filePart(content, 2_000_000)]);
  });

  test('is worth nothing if the whole has another digest', async () => {
    const lie = Buffer.alloc(content.length, 'y');
    await expect(put([broken(2_000_000, new Error('lost'))])).rejects.toThrow('lost');
    const forged = { ...filePart(lie, 2_000_000), digest };
    await expect(put([forged])).rejects.toThrow(`got content with the digest ${'sha256:'}`);
    expect((await store.missing('web', { directories: [], files: [digest] })).files).toEqual([
      { digest, storedBytes: 0 },
    ]);
    expect(await leftovers()).toEqual([]);
  });

  test('leaves no beginnings without end', async () => {
    for (let i = 0; i < 6; i += 1) {
      const other = { ...broken(2_000_000, new Error('lost')), digest: digestOf(Buffer.of(i)) };
      await expect(put([other as TreePart])).rejects.toThrow('lost');
    }
    expect(await leftovers()).toHaveLength(4);
    await store[Symbol.asyncDispose]();
    expect(await leftovers()).toEqual([]);
  });
});

describe('the sweep', () => {
  test('deletes a tree that was not used for horizon and grace, and no other', async () => {
    await put(TREE.parts);
    const other = treeOf({ other: 'x', shared: { in: { 'a.c': 'int a;', again: BIG, lib: { in: {} } } } });
    await age(DAY_MS + 2 * 3_600_000);
    await put(other.parts);
    const swept = await store.sweep('web', []);
    expect(swept.deleted).toBe(1);
    expect(await store.tree('web', TREE.root)).toBeUndefined();
    expect(await store.tree('web', other.root)).toMatchObject({ entries: 5 });
    let keptBytes = 0;
    for await (const { sizeBytes } of blobs.list('trees')) keptBytes += sizeBytes;
    expect(swept.keptBytes).toBe(keptBytes);
    await age(DAY_MS + 2 * 3_600_000);
    expect(await store.sweep('web', [])).toMatchObject({ keptBytes: 0 });
    expect(await Array.fromAsync(blobs.list('trees'))).toEqual([]);
  });

  test('keeps the trees of builds, however old, with all that they name', async () => {
    await put(TREE.parts);
    await put([filePart('the times'.repeat(10))]);
    await age(30 * DAY_MS);
    const times = digestOf(Buffer.from('the times'.repeat(10)));
    const roots = [
      { kind: 'directory', digest: TREE.root },
      { kind: 'file', digest: times },
    ] as const;
    expect(await store.sweep('web', roots)).toMatchObject({ deleted: 0 });
    expect(await store.sweep('web', [roots[0]])).toMatchObject({ deleted: 1 });
  });

  test('an old tree counts as absent even before it is swept, and is complete after it is sent again', async () => {
    await put(TREE.parts);
    await age(DAY_MS);
    // The process that stored it doesn't look again for some minutes.
    store = open();
    expect(await store.tree('web', TREE.root)).toBeUndefined();
    expect((await store.missing('web', digestsOf(TREE))).files).toHaveLength(1);
    // Sending only the root again would rely on what may be deleted.
    await expect(put([directories(TREE).at(-1) as TreePart])).rejects.toThrow(TreeIncomplete);
    expect((await put(TREE.parts)).newBytes).toBe(0);
    expect(await store.tree('web', TREE.root)).toBeDefined();
  });

  test('keeps what is below a directory that it saw as old, but that was reported as present just then', async () => {
    await put(TREE.parts);
    await age(DAY_MS - 60_000);
    const paused = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const touch: FsBlobStore['touch'] = async (key, unusedMs) => {
      asked.resolve();
      await paused.promise;
      return blobs.touch(key, unusedMs);
    };
    const slow = new TreeStore({
      blobs: { ...portOf(blobs), touch },
      ...{ horizonMs: DAY_MS, exclusively: (_, work) => work(), now: () => now },
    });
    const answer = slow.tree('web', TREE.root);
    await asked.promise;
    now += 30 * 60_000;
    await store.sweep('web', []);
    paused.resolve();
    expect(await answer).toBeDefined();
    expect((await Array.fromAsync(blobs.list('trees'))).length).toBe(4);
  });

  test('never deletes an object that is stored again at that moment', async () => {
    await put(TREE.parts);
    await age(2 * DAY_MS);
    const order: string[] = [];
    let last: Promise<unknown> = Promise.resolve();
    const exclusively = <T>(_: string, work: () => Promise<T>) => {
      const done = last.then(work);
      last = done.catch(() => {});
      return done;
    };
    let again: Promise<void> | undefined;
    const deps = { horizonMs: DAY_MS, exclusively, now: () => now };
    const other = new TreeStore({ ...deps, blobs });
    const deleteMany: FsBlobStore['deleteMany'] = async (keys) => {
      const writer = other.write({ team: 'web', limits: LIMITS, take: async () => {} });
      for (const part of TREE.parts) await writer.add(part);
      again = writer.flush().then(() => void order.push('stored'));
      // Without the lock it is stored by then.
      await Promise.race([again, new Promise((resolve) => setTimeout(resolve, 200))]);
      await blobs.deleteMany(keys);
      order.push('deleted');
    };
    await new TreeStore({ ...deps, blobs: { ...portOf(blobs), deleteMany } }).sweep('web', []);
    await again;
    expect(order).toEqual(['deleted', 'stored']);
    expect(await store.tree('web', TREE.root)).toBeDefined();
    expect((await Array.fromAsync(blobs.list('trees'))).length).toBe(4);
  });

  test('deletes nothing if a directory cannot be read, as it may name anything', async () => {
    await put(TREE.parts);
    await age(DAY_MS * 2);
    await put(treeOf({ young: 'x' }).parts);
    await writeFile(join(dir, objectKey('web', 'directory', treeOf({ young: 'x' }).root)), 'damaged');
    await expect(store.sweep('web', [])).rejects.toMatchObject({ code: 'store_damaged' });
    expect((await Array.fromAsync(blobs.list('trees'))).length).toBe(5);
  });
});
