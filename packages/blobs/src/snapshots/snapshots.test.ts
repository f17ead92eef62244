import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { seededBytes } from '@kiln/runtime/testing';
import type { Digest } from '@kiln/trees';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FsBlobStore } from '../directory/fs-blob-store.ts';
import { storedTrees } from '../trees/stored-reader.ts';
import { objectKey } from '../trees/tree-keys.ts';
import { TreeStore } from '../trees/tree-store.ts';
import { cutChunks } from './cut-chunks.ts';
import { mountContent, readManifest, SnapshotInvalid } from './read-snapshot.ts';
import { SnapshotBook } from './snapshot-book.ts';
import { type SnapshotTarget, SnapshotWriter } from './write-snapshot.ts';

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
let dir: string;
let blobs: FsBlobStore;
let now: number;
let sent: number;
const open = () => new TreeStore({ blobs, horizonMs: HOUR_MS, exclusively: (_, work) => work(), now: () => now });

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-snapshots-'));
  blobs = new FsBlobStore(dir);
  now = Date.now();
  sent = 0;
});
afterEach(() => rm(dir, { recursive: true }));

function targetOf(trees: TreeStore): SnapshotTarget {
  return {
    missingFiles: async (files) =>
      (await trees.missing('web', { directories: [], files })).files.map(({ digest }) => digest),
    async store(parts) {
      await using writer = trees.write({
        team: 'web',
        limits: { maxEntries: 1_000, maxFileBytes: 1e9 },
        take: async (bytes) => {
          sent += bytes;
        },
      });
      for (const part of parts) await writer.add(part);
      await writer.flush();
    },
  };
}

const pieces = (content: Buffer) =>
  Readable.from(
    (function* () {
      for (let i = 0; i < content.length; i += 65_536) yield content.subarray(i, i + 65_536);
    })(),
  );

async function write(mounts: Readonly<Record<string, Buffer>>) {
  await using trees = open();
  const writer = new SnapshotWriter(targetOf(trees));
  for (const [id, tar] of Object.entries(mounts))
    writer.keep(await writer.addMount({ id, kind: 'outputs' }, pieces(tar)));
  return writer.finish();
}

test('a snapshot gives back every mount, and stores what two of them have in common once', async () => {
  const large = seededBytes(12 * MIB, 'large');
  const mounts = { '/large': large, small: Buffer.from('few'), none: Buffer.alloc(0), zeros: Buffer.alloc(40 * MIB) };
  const { root, manifest } = await write(mounts);
  const reader = storedTrees(blobs, 'web');
  expect(await readManifest(reader, root)).toEqual(manifest);
  for (const mount of manifest.mounts) {
    const got = await buffer(Readable.from(mountContent(reader, mount)));
    expect(got.equals(mounts[mount.id as keyof typeof mounts])).toBe(true);
  }
  const first = sent;
  expect(first).toBeGreaterThan(12 * MIB);
  const changed = Buffer.concat([large.subarray(0, 5 * MIB), Buffer.from('inserted'), large.subarray(5 * MIB)]);
  await write({ ...mounts, '/large': changed });
  expect(sent - first).toBeLessThan(9 * MIB);
});

test('a stream is cut at the same places, however it arrives', async () => {
  const content = randomBytes(9 * MIB);
  const digests = async (bytes: AsyncIterable<Uint8Array>) =>
    (await Array.fromAsync(cutChunks(bytes))).map((chunk) => createHash('sha256').update(chunk).digest('hex'));
  const whole = await digests(Readable.from([content]));
  expect(whole.length).toBeGreaterThan(1);
  expect(await digests(pieces(content))).toEqual(whole);
});

test.each(['flipped', 'short'])('a chunk that is %s in the store is never given out', async (fault) => {
  const { manifest } = await write({ m: randomBytes(2 * MIB) });
  const [mount] = manifest.mounts;
  const digest = mount?.chunks[0]?.digest as Digest;
  const key = objectKey('web', 'file', digest);
  const stored = await buffer((await blobs.open(key)) as Readable);
  const last = stored.length - 1;
  if (fault === 'flipped') stored[last] = (stored[last] as number) ^ 1;
  await blobs.delete(key);
  await blobs.put(key, Readable.from([fault === 'short' ? stored.subarray(0, last) : stored]));
  const read = buffer(Readable.from(mountContent(storedTrees(blobs, 'web'), mount as never)));
  await expect(read).rejects.toThrow(SnapshotInvalid);
});

test('a manifest of a newer version is refused by name', async () => {
  const { root, manifest } = await write({ m: Buffer.from('x') });
  const reader = storedTrees(blobs, 'web');
  const key = objectKey('web', 'directory', root);
  const stored = (await buffer((await blobs.open(key)) as Readable)).toString('latin1');
  await blobs.delete(key);
  await blobs.put(key, Readable.from([Buffer.from(stored.replace('"format":1', '"format":9'), 'latin1')]));
  expect(manifest.format).toBe(1);
  await expect(readManifest(reader, root)).rejects.toThrow('a snapshot of format 9, made by a newer version of Kiln');
});

test('the sweep keeps the trees of snapshots, and deletes those of deleted ones', async () => {
  const book = new SnapshotBook(blobs);
  const { root, manifest } = await write({ m: randomBytes(100_000) });
  const id = '01j00000000000000000000000';
  const view = {
    ...{ id, repo: 'app', team: 'web', trust: 'trusted' as const, createdAt: new Date().toISOString() },
    ...{ root, storedBytes: 1, mounts: [] },
  };
  await book.add(view);
  expect(await book.list()).toEqual([{ format: 1, ...view }]);
  expect(await book.list('ops')).toEqual([]);
  expect(await book.find(id, 'ops')).toBeUndefined();
  now += 48 * HOUR_MS;
  await using trees = open();
  expect((await trees.sweep('web', book.roots('web'))).deleted).toBe(0);
  const reader = storedTrees(blobs, 'web');
  expect(await readManifest(reader, (await book.find(id, 'web'))?.root as Digest)).toEqual(manifest);
  await book.delete(id, 'web');
  expect((await trees.sweep('web', book.roots('web'))).deleted).toBe(3);
});

test('of each repo and trust class the newest snapshots that are used are kept', async () => {
  const book = new SnapshotBook(blobs);
  const root = `sha256:${'0'.repeat(64)}`;
  const add = (n: number, repo: string, trust: 'trusted' | 'untrusted' = 'trusted') =>
    book.add({
      ...{ id: `01j${String(n).padStart(23, '0')}`, repo, team: 'web', trust, createdAt: new Date().toISOString() },
      ...{ root, storedBytes: 1, mounts: [] },
    });
  for (const n of [1, 2, 3]) await add(n, 'app');
  await add(4, 'app', 'untrusted');
  await add(5, 'lib');
  expect(await book.prune({ unusedSince: Date.now() - HOUR_MS, keep: 2 })).toBe(1);
  expect((await book.list()).map(({ id }) => id.at(-1))).toEqual(['5', '4', '3', '2']);
  expect(await book.prune({ unusedSince: Date.now() + HOUR_MS, keep: 2 })).toBe(4);
});
