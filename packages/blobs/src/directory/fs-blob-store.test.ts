import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { testBlobStore } from '../testing/test-blob-store.ts';
import { FsBlobStore } from './fs-blob-store.ts';

async function newDir(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'kiln-blobs-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

testBlobStore('a directory', async () => {
  const dir = await newDir();
  const path = join(dir.path, 'made/on/demand');
  return {
    store: new FsBlobStore(path),
    again: () => new FsBlobStore(path),
    clockMs: 20,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
});

test('a blob that is deleted while it is read is read to its end', async () => {
  await using dir = await newDir();
  const store = new FsBlobStore(dir.path);
  await store.put('logs/a', Readable.from([Buffer.alloc(1_000_000, 'a')]));
  const stream = await store.open('logs/a');
  await store.delete('logs/a');
  expect(stream && (await buffer(stream)).length).toBe(1_000_000);
});

test('of files that are taken over together, none of a later group appears before all of an earlier one', async () => {
  await using dir = await newDir();
  const store = new FsBlobStore(dir.path);
  const adoption = async (key: string) => {
    const tempPath = await store.tempPath();
    await writeFile(tempPath, key);
    return { tempPath, key };
  };
  await store.put('taken/by/a/directory', Readable.from(['x']));
  const groups = [[await adoption('first')], [await adoption('taken/by/a')], [await adoption('last')]];
  const stored: number[] = [];
  await expect(store.adoptTogether(groups, (group) => stored.push(group))).rejects.toMatchObject({ code: 'EISDIR' });
  expect(stored).toEqual([0]);
  expect(await store.stat('first')).toBeDefined();
  expect(await store.stat('last')).toBeUndefined();
});

test('a failed upload leaves no temporary file', async () => {
  await using dir = await newDir();
  const store = new FsBlobStore(dir.path);
  const failing = Readable.from(
    (function* () {
      yield Buffer.alloc(10);
      throw new Error('broke off');
    })(),
    { objectMode: false },
  );
  await expect(store.put('logs/a', failing)).rejects.toThrow('broke off');
  expect(await readdir(join(dir.path, 'tmp'))).toEqual([]);
  expect(await store.freeBytes()).toBeGreaterThan(0);
});
