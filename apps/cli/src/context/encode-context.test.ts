import { lutimes, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { byteString, readParts, type TreePart, writeParts } from '@kiln/trees';
import { expect, it } from 'vitest';
import { PartStore } from '../testing/part-store.ts';
import { encodedContext, sendTo } from '../testing/send-to.ts';
import { TempDir } from '../testing/temp-dir.ts';
import type { ContextDirectory } from './context-tree.ts';
import { encodeContext, timesOf } from './encode-context.ts';
import { dockerfileNode, readLocalContext } from './local-context.ts';
import { contextParts } from './sending/context-parts.ts';
import { findMissing } from './sending/missing-parts.ts';

const read = (dir: TempDir) => readLocalContext({ cwd: dir.path, path: '.', dockerfile: undefined });

/** Sends what a store lacks, and returns the parts that travelled. */
async function travelled(store: PartStore, dir: TempDir): Promise<TreePart[]> {
  const context = await encodedContext(await read(dir));
  const missing = await findMissing(context, [], async (parts) => store.missing(parts));
  const parts = await Array.fromAsync(readParts(writeParts(contextParts(context, [], missing))));
  await sendTo(store, context);
  return parts;
}

it('sends each content once, children before parents, and later only what has changed with its parents', async () => {
  const large = 'x'.repeat(40_000);
  await using dir = await TempDir.with({
    Dockerfile: '',
    'a/b/c': '1',
    'a/d': large,
    'e/same': large,
    'f/': '',
    'g/': '',
  });
  const store = new PartStore();
  const types = (await travelled(store, dir)).map(({ type }) => type);
  // a/b, the large file, a, e, one of the empty directories, and the context.
  expect(types).toEqual(['directory', 'file', 'directory', 'directory', 'directory', 'directory']);
  expect(await travelled(store, dir)).toEqual([]);
  await using changed = await TempDir.with({
    Dockerfile: '',
    'a/b/c': '2',
    'a/d': large,
    'e/same': large,
    'f/': '',
    'g/': '',
  });
  expect((await travelled(store, changed)).map(({ type }) => type)).toEqual(['directory', 'directory', 'directory']);
});

it('asks for no more than 4,096 objects at a time, and for nothing below a directory that is there', async () => {
  await using dir = await TempDir.with({ Dockerfile: '' });
  const { tree } = await read(dir);
  const directory = (name: string, children: ContextDirectory['children']): ContextDirectory => ({
    type: 'directory',
    name: byteString(name),
    path: byteString(name),
    mode: 0o755,
    mtimeNs: 0n,
    children,
  });
  const many = Array.from({ length: 5000 }, (_, i) => directory(`d${i}`, [dockerfileNode(Buffer.from(`${i}`))]));
  for (const each of many) await encodedContext({ tree: each });
  const context = encodeContext({ ...tree, children: many });
  const questions: number[] = [];
  await findMissing(context, [], async ({ directories, files }) => {
    questions.push(directories.length + files.length);
    // Of the divided root, its parts, and what they have, only the first are missing.
    return { directories: questions.length <= 2 ? directories : [], files: [] };
  });
  expect(questions).toEqual([1, 256, 4096, 904]);
});

it('names the file whose name is too long for a tree', async () => {
  const file = {
    ...dockerfileNode(Buffer.from('x')),
    name: byteString('n'.repeat(300)),
    digest: `sha256:${'0'.repeat(64)}` as const,
  };
  const at = byteString('deep/er');
  const tree: ContextDirectory = {
    type: 'directory',
    name: byteString('er'),
    path: at,
    mode: 0o755,
    mtimeNs: 0n,
    children: [file],
  };
  expect(() => encodeContext(tree)).toThrow(
    `"deep/er/${'n'.repeat(300)}": got a name of 300 bytes, expected at most 255 bytes`,
  );
});

it('writes the times of directories and links only, if a host keeps those of files', async () => {
  await using dir = await TempDir.with({ Dockerfile: '', 'a/b/c': '', 'a.b': '', 'd/e': '' });
  await symlink('x', join(dir.path, 'a/z'));
  const paths = ['a', 'a/b', 'a/z', 'd'];
  for (const [i, path] of paths.entries()) await lutimes(join(dir.path, path), i + 1, i + 1);
  const { bytes } = timesOf((await read(dir)).tree, 'directories');
  expect(paths.map((_, i) => bytes.readBigInt64BE(8 * i))).toEqual(paths.map((_, i) => BigInt(i + 1) * 1_000_000_000n));
  expect(bytes).toHaveLength(8 * paths.length);
});

it('writes the time of each entry in ns, directories before their contents', async () => {
  await using dir = await TempDir.with({ Dockerfile: '', 'a/b': '', 'a.b': '' });
  const { tree } = await read(dir);
  const [dockerfile, a, ab] = tree.children;
  const nested = a?.type === 'directory' ? a.children[0] : undefined;
  const { bytes } = timesOf(tree, 'all');
  const timeOf = (node: typeof nested) => (node?.type === 'file' ? node.state.mtimeNs : node?.mtimeNs);
  expect([0, 8, 16, 24].map((at) => bytes.readBigInt64BE(at))).toEqual([dockerfile, a, nested, ab].map(timeOf));
  expect(timeOf(nested)).toBeGreaterThan(1_600_000_000_000_000_000n);
  await utimes(join(dir.path, 'Dockerfile'), new Date(-1_500), new Date(-1_500));
  expect(timesOf((await read(dir)).tree, 'all').bytes.readBigInt64BE(0)).toBe(-1_500_000_000n);
  const far = {
    ...dockerfileNode(Buffer.from('x')),
    state: { ...dockerfileNode(Buffer.from('x')).state, mtimeNs: 10n ** 20n },
  };
  expect(timesOf({ ...tree, children: [far] }, 'all').bytes.toString('hex')).toBe('7fffffffffffffff');
});
