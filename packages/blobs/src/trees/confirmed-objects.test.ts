import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TreePart } from '@kiln/trees';
import { type TreeSpecs, treeOf } from '@kiln/trees/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FsBlobStore } from '../directory/fs-blob-store.ts';
import { REMEMBERED_MS } from './confirmed-objects.ts';
import { TreeIncomplete } from './errors.ts';
import { objectKey } from './tree-keys.ts';
import { TreeStore } from './tree-store.ts';

const DIRECTORIES = 20;
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

const open = () => new TreeStore({ blobs, horizonMs: 86_400_000, exclusively: (_, work) => work(), now: () => now });

/** A tree of many directories, and a file that has an object of its own. */
function tree(changed: string) {
  const specs: Record<string, { in: TreeSpecs }> = {};
  for (let i = 0; i < DIRECTORIES; i += 1) specs[`d${i}`] = { in: { f: `file ${i}`, big: 'large '.repeat(10_000) } };
  return treeOf({ ...specs, changed });
}

async function put(parts: Iterable<TreePart>, { team = 'web', flushes = true } = {}): Promise<void> {
  await using writer = store.write({
    team,
    limits: { maxEntries: 1_000, maxFileBytes: 100_000_000 },
    take: async () => {},
  });
  for (const part of parts) await writer.add(part);
  if (flushes) await writer.flush();
}

/** Stores only the root of a tree, whose directories are stored. Returns how many blobs were looked for and opened. */
async function putRoot(changed: string): Promise<[looks: number, opens: number]> {
  const [stat, open] = [vi.spyOn(blobs, 'stat'), vi.spyOn(blobs, 'open')];
  await put(tree(changed).parts.slice(-1));
  const counts: [number, number] = [stat.mock.calls.length, open.mock.calls.length];
  stat.mockRestore();
  open.mockRestore();
  return counts;
}

test('what one upload has stored or found in the store, the next ones take for granted for ten minutes', async () => {
  await put(tree('0').parts);
  expect(await putRoot('0.1')).toEqual([1, 0]);
  // Another process of the API.
  store = open();
  expect(await putRoot('1')).toEqual([1 + DIRECTORIES, DIRECTORIES]);
  expect(await putRoot('2')).toEqual([1, 0]);
  now += REMEMBERED_MS + 1;
  // What a directory consists of never changes.
  expect(await putRoot('3')).toEqual([1 + DIRECTORIES, 0]);
  expect(await store.tree('web', tree('3').root)).toMatchObject({ entries: 3 * DIRECTORIES + 1 });
});

test('what was found for one team is not there for another', async () => {
  await put(tree('0').parts);
  await putRoot('1');
  await expect(put(tree('2').parts.slice(-1), { team: 'ops' })).rejects.toThrow(TreeIncomplete);
});

test('what an upload dropped before it was stored is not there for the next one', async () => {
  const { parts, root } = tree('0');
  await put(parts, { flushes: false });
  for (const at of parts.keys()) if (at > 0) await expect(put(parts.slice(at, at + 1))).rejects.toThrow(TreeIncomplete);
  expect(await store.tree('web', root)).toBeUndefined();
});

test('what is gone after ten minutes is missing', async () => {
  await put(tree('0').parts);
  const [gone] = tree('0').parts.flatMap((part) => (part.type === 'directory' ? [part.object.digest] : []));
  if (gone) await blobs.delete(objectKey('web', 'directory', gone));
  now += REMEMBERED_MS + 1;
  await expect(putRoot('2')).rejects.toThrow(TreeIncomplete);
});
