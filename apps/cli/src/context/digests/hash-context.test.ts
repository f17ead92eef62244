import { createHash } from 'node:crypto';
import { appendFile, readdir, readFile, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { TempDir } from '../../testing/temp-dir.ts';
import type { ContextFile } from '../context-tree.ts';
import { readLocalContext } from '../local-context.ts';
import { cacheHome, DigestCache, isSettled } from './digest-cache.ts';
import { hashContext } from './hash-context.ts';
import { hashFiles } from './hash-files.ts';

/** A minute from now, when files written by a test are settled. */
const later = () => Date.now() + 60_000;

const fileNamed = (tree: Awaited<ReturnType<typeof readLocalContext>>['tree'], name: string) =>
  tree.children.find((child): child is ContextFile => child.name === name) as ContextFile;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** Hashes a context as a command would, and returns how many files were read and the digest of `a`. */
async function hashed(dir: TempDir, home: string | undefined, age = 60_000) {
  const { tree, root } = await readLocalContext({ cwd: dir.path, path: '.', dockerfile: undefined });
  const cache = await DigestCache.open({ home, root, nowMs: Date.now() });
  const put = cache.put.bind(cache);
  // As if the files were older than they are.
  cache.put = (path, state, digest, readAtMs) => put(path, state, digest, readAtMs + age);
  const read = await hashContext(tree, cache);
  await cache.save();
  return { read, a: fileNamed(tree, 'a').digest };
}

const context = () => TempDir.with({ Dockerfile: '', a: 'one', b: 'two', 'c/d': 'three' });

it('reads files once, and again only those that have changed', async () => {
  await using dir = await context();
  await using home = await TempDir.with({});
  expect(await hashed(dir, home.path)).toEqual({ read: 4, a: `sha256:${sha256('one')}` });
  expect(await hashed(dir, home.path)).toEqual({ read: 0, a: `sha256:${sha256('one')}` });
  const mtime = new Date(1_000_000_000_000);
  await writeFile(join(dir.path, 'a'), 'ONE');
  await utimes(join(dir.path, 'a'), mtime, mtime);
  expect(await hashed(dir, home.path)).toEqual({ read: 1, a: `sha256:${sha256('ONE')}` });
  // Same size and time; only inode and change time tell.
  await writeFile(join(dir.path, 'new'), 'TWO');
  await utimes(join(dir.path, 'new'), mtime, mtime);
  await rename(join(dir.path, 'new'), join(dir.path, 'a'));
  expect(await hashed(dir, home.path)).toEqual({ read: 1, a: `sha256:${sha256('TWO')}` });
});

it('reads a file again that was written just before it was read', async () => {
  await using dir = await context();
  await using home = await TempDir.with({});
  await hashed(dir, home.path, 0);
  expect((await hashed(dir, home.path, 0)).read).toBe(4);
  const state = { sizeBytes: 1, mtimeNs: 5_000_000_000n, ctimeNs: 5_000_000_000n, inode: 1n };
  expect([4_000, 5_000, 7_000, 7_001].map((readAt) => isSettled(state, readAt))).toEqual([false, false, false, true]);
  // A time that the owner chose, such as one in the future, tells nothing as long as it isn't about now.
  expect(isSettled({ ...state, mtimeNs: 9_000_000_000_000n }, 7_001)).toBe(true);
  expect(isSettled({ ...state, mtimeNs: 8_000_000_000n }, 7_001)).toBe(false);
});

it('ignores a cache that is broken, cut off, of another context, or can’t be written', async () => {
  await using dir = await context();
  await using home = await TempDir.with({});
  await hashed(dir, home.path);
  const [name] = await readdir(join(home.path, 'digests'));
  const file = join(home.path, 'digests', `${name}`);
  const good = await readFile(file);
  for (const bad of [
    Buffer.alloc(0),
    good.subarray(0, -1),
    Buffer.concat([good, good]),
    flipped(good, 60),
    flipped(good, -40),
  ]) {
    await writeFile(file, bad);
    expect((await hashed(dir, home.path)).read).toBe(4);
    expect((await readFile(file)).equals(good)).toBe(true);
  }
  await using other = await context();
  await hashed(other, home.path);
  const [theirs] = (await readdir(join(home.path, 'digests'))).filter((each) => each !== name);
  await writeFile(file, await readFile(join(home.path, 'digests', `${theirs}`)));
  expect((await hashed(dir, home.path)).read).toBe(4);
  expect((await hashed(dir, join(dir.path, 'a'))).read).toBe(4);
  expect((await hashed(dir, undefined)).read).toBe(4);
});

it('keeps the digests of two builds of a context at the same time whole', async () => {
  await using dir = await context();
  await using home = await TempDir.with({});
  await Promise.all(Array.from({ length: 8 }, () => hashed(dir, home.path)));
  expect((await hashed(dir, home.path)).read).toBe(0);
  expect(await readdir(join(home.path, 'digests'))).toHaveLength(1);
});

it('remembers digests of files with times of other centuries', async () => {
  await using dir = await context();
  await using home = await TempDir.with({});
  await utimes(join(dir.path, 'a'), 12_000_000_000, 12_000_000_000);
  await utimes(join(dir.path, 'b'), new Date(-1e12), new Date(-1e12));
  await hashed(dir, home.path);
  expect((await hashed(dir, home.path)).read).toBe(0);
});

it('is kept where XDG_CACHE_HOME says, or in the home directory', () => {
  expect(cacheHome({ XDG_CACHE_HOME: '/x', HOME: '/h' })).toBe('/x/kiln');
  expect(cacheHome({ XDG_CACHE_HOME: 'relative', HOME: '/h' })).toBe('/h/.cache/kiln');
  expect(cacheHome({})).toBeUndefined();
});

it('keeps digests of files that this build ignores', async () => {
  await using dir = await context();
  await using home = await TempDir.with({});
  await hashed(dir, home.path);
  await writeFile(join(dir.path, '.dockerignore'), 'b');
  expect((await hashed(dir, home.path)).read).toBe(1);
  await rm(join(dir.path, '.dockerignore'));
  expect((await hashed(dir, home.path)).read).toBe(0);
});

it.each(['threads', 'this thread'])('hashes files of all sizes in %s', async (where) => {
  const texts = ['', 'x', 'y'.repeat(1024 * 1024), 'z'.repeat(1024 * 1024 + 1), 'w'.repeat(40 * 1024 * 1024)];
  await using dir = await TempDir.with(Object.fromEntries(texts.map((text, i) => [`${i}`, text])));
  const files = [...texts.keys()].map((i) => ({ path: join(dir.path, `${i}`), sizeBytes: texts[i]?.length ?? 0 }));
  const gone = { path: join(dir.path, 'gone'), sizeBytes: 10 };
  await symlink('0', join(dir.path, 'link'));
  const seen: number[] = [];
  const results = await hashFiles([...files, gone, { path: Buffer.from(join(dir.path, 'link')), sizeBytes: 1 }], {
    threads: where === 'threads' ? 2 : 0,
    onProgress: (bytes, totalBytes) => seen.push(bytes / totalBytes),
  });
  expect(results.map((result) => ('sha256' in result ? result.sha256 : result.changed))).toEqual([
    ...texts.map(sha256),
    true,
    true,
  ]);
  expect(seen.at(-1)).toBe(1);
});

it('hashes in its own thread where threads can’t run', async () => {
  await using dir = await TempDir.with({ a: 'one' });
  const worker = pathToFileURL(join(dir.path, 'no-such-script.js'));
  const results = await hashFiles([{ path: join(dir.path, 'a'), sizeBytes: 3 }], { threads: 2, worker });
  expect(results).toMatchObject([{ sha256: sha256('one') }]);
});

it('stops at once when it is aborted', async () => {
  await using dir = await TempDir.with({ a: '' });
  // Sparse: as large as it needs to be, without a byte on the disk.
  await truncate(join(dir.path, 'a'), 100_000_000_000);
  const stop = new AbortController();
  const hashing = hashFiles([{ path: join(dir.path, 'a'), sizeBytes: 1 }], { threads: 1, signal: stop.signal });
  stop.abort(new Error('stopped'));
  await expect(hashing).rejects.toThrow('stopped');
});

it('reads a file again that changes while it is read, and gives up if it never stays as it is', async () => {
  await using dir = await TempDir.with({ Dockerfile: '', a: 'x' });
  await truncate(join(dir.path, 'a'), 100_000_000);
  const { tree } = await readLocalContext({ cwd: dir.path, path: '.', dockerfile: undefined });
  let writing = true;
  const writer = (async () => {
    while (writing) await appendFile(join(dir.path, 'a'), 'x');
  })();
  const cache = await DigestCache.open({ home: undefined, root: dir.path, nowMs: later() });
  await expect(hashContext(tree, cache)).rejects.toThrow(/\/a changed while it was being read/);
  writing = false;
  await writer;
});

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] as number) ^ 1;
  return copy;
}

it('writes the digests of many files only if enough has changed to read', async () => {
  await using home = await TempDir.with({});
  const open = () => DigestCache.open({ home: home.path, root: '/many', nowMs: 1_000_000_000_000 });
  const state = (sizeBytes: number) => ({ sizeBytes, mtimeNs: 1n, ctimeNs: 1n, inode: 1n });
  const put = (cache: DigestCache, name: string, sizeBytes: number) =>
    cache.put(name as ContextFile['name'], state(sizeBytes), sha256(name), 1_000_000_000_000);
  const find = async (name: string, sizeBytes: number) =>
    (await open()).find(name as ContextFile['name'], state(sizeBytes)) !== undefined;
  const first = await open();
  for (let i = 0; i < 1_000; i += 1) put(first, `f${i}`, 1);
  await first.save();
  expect(await find('f999', 1)).toBe(true);
  const few = await open();
  put(few, 'f1', 2);
  await few.save();
  expect([await find('f1', 1), await find('f1', 2)]).toEqual([true, false]);
  for (const [names, sizeBytes] of [
    [['large'], 32 * 1024 + 1],
    [Array.from({ length: 33 }, (_, i) => `new${i}`), 1],
  ] as const) {
    const cache = await open();
    for (const name of names) put(cache, name, sizeBytes);
    await cache.save();
    expect(await find(names[0] as string, sizeBytes)).toBe(true);
  }
  const wrong = await open();
  wrong.forget('f2' as ContextFile['name']);
  await wrong.save();
  expect(await find('f2', 1)).toBe(false);
});
