import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Digest, digestOf } from '@kiln/trees';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FsBlobStore } from '../directory/fs-blob-store.ts';
import type { SnapshotTarget } from '../snapshots/write-snapshot.ts';
import { storedTrees } from '../trees/stored-reader.ts';
import { objectKey, objectsPrefix } from '../trees/tree-keys.ts';
import { TreeStore } from '../trees/tree-store.ts';
import { restoreArchive, storeArchive } from './directory-archive.ts';

const DAY_MS = 24 * 3_600_000;
let dir: string;
let blobs: FsBlobStore;
let trees: TreeStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-archive-'));
  blobs = new FsBlobStore(join(dir, 'blobs'));
  trees = new TreeStore({ blobs, horizonMs: 3 * DAY_MS, exclusively: (_, work) => work(), now: Date.now });
});
afterEach(() => rm(dir, { recursive: true }));

const target: SnapshotTarget = {
  missingFiles: async (files) =>
    (await trees.missing('web', { directories: [], files })).files.map(({ digest }) => digest),
  async store(parts) {
    const limits = { maxEntries: 1_000, maxFileBytes: 1e9 };
    await using writer = trees.write({ team: 'web', limits, take: async () => {} });
    for (const part of parts) await writer.add(part);
    await writer.flush();
  },
};

/** Writes an image layout with these contents; returns its path. */
async function layout(name: string, ...contents: Buffer[]): Promise<string> {
  const path = join(dir, name);
  await mkdir(join(path, 'blobs', 'sha256'), { recursive: true });
  await mkdir(join(path, 'ingest'));
  for (const content of contents) await writeFile(join(path, 'blobs', 'sha256', digestOf(content).slice(7)), content);
  await writeFile(join(path, 'index.json'), JSON.stringify({ name }));
  return path;
}

async function filesIn(path: string): Promise<Record<string, string>> {
  const all = await readdir(path, { recursive: true, withFileTypes: true });
  const files = all.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const contents = await Promise.all(
    files.map(async (file) => [file.slice(path.length), digestOf(await readFile(file))]),
  );
  return Object.fromEntries(contents);
}

test('an archive gives back every file, and stores only contents that no other one has', async () => {
  const [common, small, own] = [randomBytes(3_000_000), Buffer.from('few'), randomBytes(50_000)];
  const first = await layout('first', common, small);
  const stored = await storeArchive(target, first);
  expect(stored.newBytes).toBe(common.length);
  const reader = storedTrees(blobs, 'web');
  await restoreArchive(reader, stored.root, join(dir, 'restored'));
  expect(await filesIn(join(dir, 'restored'))).toEqual(await filesIn(first));
  const second = await storeArchive(target, await layout('second', common, small, own));
  expect([second.newBytes, second.root !== stored.root]).toEqual([own.length, true]);
  // Storing it again stores nothing, and gives the same.
  expect(await storeArchive(target, join(dir, 'second'))).toEqual({ ...second, newBytes: 0 });
  expect(await filesIn(join(dir, 'restored'))).toEqual(await filesIn(first));
});

test.each([
  ['is gone', 'tree_part_missing', (path: string) => rm(path)],
  ['is cut short', undefined, async (path: string) => writeFile(path, (await readFile(path)).subarray(0, 1_000))],
])('nothing is left of an archive of which a content %s', async (_, code, harm) => {
  const content = randomBytes(100_000);
  const { root } = await storeArchive(target, await layout('first', content));
  await harm(join(blobs.dir, objectKey('web', 'file', digestOf(content) as Digest)));
  const restored = restoreArchive(storedTrees(blobs, 'web'), root, join(dir, 'restored'));
  if (code === undefined) await expect(restored).rejects.toThrow('got a file with the digest sha256:');
  else await expect(restored).rejects.toMatchObject({ code });
  await expect(stat(join(dir, 'restored'))).rejects.toThrow('ENOENT');
});

test('a content that isn’t what its name says is not stored', async () => {
  const path = await layout('first', randomBytes(100_000));
  const [name = ''] = await readdir(join(path, 'blobs', 'sha256'));
  await writeFile(join(path, 'blobs', 'sha256', name), randomBytes(100_000));
  await expect(storeArchive(target, path)).rejects.toThrow('got a file with the digest sha256:');
  expect(await Array.fromAsync(blobs.list('trees'))).toEqual([]);
});

test('a sweep deletes what only an old archive has, never what a newer one needs, and an archive that is being restored stays whole', async () => {
  const [common, own, late] = [randomBytes(3_000_000), randomBytes(50_000), randomBytes(60_000)];
  const old = await storeArchive(target, await layout('old', common, own));
  const longAgo = new Date(Date.now() - 10 * DAY_MS);
  for (const kind of ['file', 'directory'] as const) {
    for await (const { key } of blobs.list(objectsPrefix('web', kind)))
      await utimes(join(blobs.dir, key), longAgo, longAgo);
  }
  const newer = await storeArchive(target, await layout('newer', common, late));
  const sweep = () => trees.sweep('web', [], new AbortController().signal);
  const reader = storedTrees(blobs, 'web');
  const files = { deleted: 0 };
  const whileSwept: typeof reader = {
    async *read(wanted, signal) {
      for await (const part of reader.read(wanted, signal)) {
        files.deleted += (await sweep()).deleted;
        yield part;
      }
    },
  };
  await restoreArchive(whileSwept, newer.root, join(dir, 'restored'));
  expect(await filesIn(join(dir, 'restored'))).toEqual(await filesIn(join(dir, 'newer')));
  // Its directory and the content that no other archive has.
  expect(files.deleted).toBe(2);
  await expect(restoreArchive(reader, old.root, join(dir, 'gone'))).rejects.toMatchObject({
    code: 'tree_part_missing',
  });
});
