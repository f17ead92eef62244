import { chmod, link, mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { PartStore } from '../../testing/part-store.ts';
import { encodedContext, sendTo } from '../../testing/send-to.ts';
import { TempDir } from '../../testing/temp-dir.ts';
import { type ContextDirectory, directoriesIn } from '../context-tree.ts';
import { readLocalContext } from '../local-context.ts';
import { type ReadContext, withStableContext } from '../stable-context.ts';
import { DigestCache } from './digest-cache.ts';

// A minute from now, when files written by a test are settled.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 }));
afterEach(() => void vi.useRealTimers());

const list = (dir: TempDir) => readLocalContext({ cwd: dir.path, path: '.', dockerfile: undefined });

/** Reads a context with the cache in `home`, and returns its digest, how many files were looked up, and what `use` returns. */
async function cached<T>(dir: TempDir, home: TempDir, use: (context: ReadContext) => Promise<T>) {
  const cache = await DigestCache.open({ home: home.path, root: dir.path, nowMs: Date.now() });
  const find = vi.spyOn(cache, 'find');
  const { tree } = await list(dir);
  const listAgain = async () => (await list(dir)).tree;
  return withStableContext({ tree, listAgain, cache, times: undefined }, async (context) => {
    const lookedUp = find.mock.calls.length;
    return { digest: context.digest, lookedUp, result: await use(context) };
  });
}

const nothing = async () => {};
const withAll = (directory: ContextDirectory): ContextDirectory[] => [
  directory,
  ...directoriesIn(directory).flatMap(withAll),
];
const files = { Dockerfile: '', 'a/b/c': 'one', 'a/b/d': 'two', 'a/e': 'three', 'f/g': 'four', 'f/h': 'five' };

it('looks up no file of a directory in which nothing has changed, and else only those of the directory and its parents', async () => {
  await using dir = await TempDir.with(files);
  await using home = await TempDir.with({});
  const first = await cached(dir, home, nothing);
  expect(first.lookedUp).toBe(6);
  expect(await cached(dir, home, nothing)).toEqual({ ...first, lookedUp: 0 });
  await writeFile(join(dir.path, 'a/b/c'), 'ONE!');
  const changed = await cached(dir, home, nothing);
  expect(changed.digest).not.toBe(first.digest);
  // a/b/c is read, and so found nowhere; with it are a/b/d, a/e and the Dockerfile.
  expect(changed.lookedUp).toBe(4);
  expect((await cached(dir, home, nothing)).lookedUp).toBe(0);
});

it('makes objects only for the files of directories in which something has changed', async () => {
  await using dir = await TempDir.with(files);
  await using home = await TempDir.with({});
  await cached(dir, home, nothing);
  const opened = async () => {
    const cache = await DigestCache.open({ home: home.path, root: dir.path, nowMs: Date.now() });
    const { tree } = await list(dir);
    await withStableContext({ tree, listAgain: async () => tree, cache, times: undefined }, nothing);
    return withAll(tree).flatMap(({ path, packed }) => (packed?.isOpened ? [path as string] : []));
  };
  const unchanged = await opened();
  await writeFile(join(dir.path, 'a/b/c'), 'ONE!');
  expect({ unchanged, changed: await opened() }).toEqual({ unchanged: [], changed: ['', 'a', 'a/b'] });
});

it('gives every context the digest that it has without a cache, whatever has changed', async () => {
  await using dir = await TempDir.with(files);
  await using home = await TempDir.with({});
  const at = (path: string) => join(dir.path, path);
  const old = new Date(1_500_000_000_000);
  const changes: (() => Promise<unknown>)[] = [
    async () => {},
    () => writeFile(at('a/b/c'), 'ONE'),
    () => utimes(at('a/b/c'), old, old),
    // The same size and time as before.
    async () => {
      await writeFile(at('new'), 'TWO');
      await utimes(at('new'), old, old);
      await rename(at('new'), at('a/b/c'));
    },
    () => chmod(at('a/b/d'), 0o755),
    () => chmod(at('f'), 0o700),
    () => symlink('g', at('f/link')),
    async () => {
      await rm(at('f/link'));
      await symlink('h', at('f/link'));
    },
    () => rename(at('f/g'), at('f/i')),
    // Two names swap their contents.
    async () => {
      await rename(at('f/i'), at('f/x'));
      await rename(at('f/h'), at('f/i'));
      await rename(at('f/x'), at('f/h'));
    },
    () => link(at('f/h'), at('f/j')),
    async () => {
      await rm(at('a/e'));
      await mkdir(at('a/e'));
    },
    () => rename(at('a/b'), at('a/e/b')),
    () => writeFile(at('.dockerignore'), 'f/h'),
    () => rm(at('f'), { recursive: true }),
  ];
  for (const change of changes) {
    await change();
    const { digest } = await encodedContext(await list(dir));
    expect((await cached(dir, home, nothing)).digest).toBe(digest);
    expect(await cached(dir, home, nothing)).toMatchObject({ digest, lookedUp: 0 });
  }
});

it('sends an API that has nothing all directories, also those whose digests are known', async () => {
  await using dir = await TempDir.with(files);
  await using home = await TempDir.with({});
  await cached(dir, home, nothing);
  const { result, lookedUp } = await cached(dir, home, (context) => sendTo(new PartStore(), context));
  expect(lookedUp).toBe(0);
  expect(result.filter(({ path }) => path in files).map(({ path, text }) => [path, text])).toEqual(
    Object.entries(files),
  );
});

it('reads the context again if a directory’s remembered digest is wrong', async () => {
  await using dir = await TempDir.with(files);
  await using home = await TempDir.with({});
  const { digest } = await cached(dir, home, nothing);
  const cache = await DigestCache.open({ home: home.path, root: dir.path, nowMs: Date.now() });
  const { tree } = await list(dir);
  for (const child of tree.children)
    if (child.type === 'directory') {
      for (const below of child.children) if (below.type === 'directory') below.digest = cache.findDirectory(below);
      child.digest = cache.findDirectory(child);
    }
  cache.putDirectory(tree, `sha256:${'0'.repeat(64)}`);
  await cache.save();
  const sent = await cached(dir, home, (context) => sendTo(new PartStore(), context));
  expect([sent.digest, sent.result.length]).toEqual([digest, 9]);
  expect((await cached(dir, home, nothing)).digest).toBe(digest);
});

it('does not remember a directory with a file that may still change without a trace', async () => {
  await using dir = await TempDir.with(files);
  await using home = await TempDir.with({});
  vi.useRealTimers();
  await cached(dir, home, nothing);
  expect((await cached(dir, home, nothing)).lookedUp).toBe(6);
});

it('ignores remembered directories that are damaged or cut off', async () => {
  await using dir = await TempDir.with(files);
  await using home = await TempDir.with({});
  const { digest } = await cached(dir, home, nothing);
  const [name] = await readdir(join(home.path, 'directories'));
  const file = join(home.path, 'directories', `${name}`);
  const good = await readFile(file);
  const damaged = Buffer.from(good);
  damaged.writeUInt8(damaged.readUInt8(60) ^ 1, 60);
  for (const bad of [Buffer.alloc(0), good.subarray(0, -64), damaged, Buffer.concat([good, good])]) {
    await writeFile(file, bad);
    expect(await cached(dir, home, nothing)).toMatchObject({ digest, lookedUp: 6 });
    expect(await readFile(file)).toEqual(good);
  }
});

it('knows files with times after the year 2262, which a state of 64 bits has no room for', async () => {
  await using dir = await TempDir.with({ Dockerfile: '', 'a/b': 'one' });
  await using home = await TempDir.with({});
  const late = new Date('2345-06-07T08:09:10Z');
  await utimes(join(dir.path, 'a/b'), late, late);
  const first = await cached(dir, home, nothing);
  expect(await cached(dir, home, nothing)).toEqual({ ...first, lookedUp: 0 });
  const [, a] = (await list(dir)).tree.children;
  const b = a?.type === 'directory' ? a.children[0] : undefined;
  expect(b?.type === 'file' && b.state.mtimeNs).toBe(BigInt(late.getTime()) * 1_000_000n);
  await utimes(join(dir.path, 'a/b'), late, new Date('2345-06-07T08:09:11Z'));
  expect((await cached(dir, home, nothing)).lookedUp).toBe(2);
});
