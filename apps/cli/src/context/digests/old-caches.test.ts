import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { byteString } from '@kiln/trees';
import { expect, it } from 'vitest';
import { TempDir } from '../../testing/temp-dir.ts';
import { DigestCache } from './digest-cache.ts';
import { removeOldCaches } from './old-caches.ts';

const DAY_MS = 24 * 3600_000;
const NOW = Date.UTC(2026, 0, 2);

async function write(dir: TempDir, name: string, ageMs: number): Promise<void> {
  await writeFile(join(dir.path, name), '');
  await utimes(join(dir.path, name), new Date(NOW - ageMs), new Date(NOW - ageMs));
}

it('removes caches that were not used for long, and abandoned drafts', async () => {
  await using dir = await TempDir.with({});
  await write(dir, 'used', 59 * DAY_MS);
  await write(dir, 'unused', 61 * DAY_MS);
  await write(dir, 'used.1-a.new', 1_000);
  await write(dir, 'used.2-b.new', DAY_MS);
  await removeOldCaches(dir.path, NOW);
  expect((await readdir(dir.path)).sort()).toEqual(['used', 'used.1-a.new']);
});

it('keeps the 200 caches that were used last', async () => {
  await using dir = await TempDir.with({});
  for (let i = 0; i < 205; i += 1) await write(dir, `${i}`, i * 1_000);
  await removeOldCaches(dir.path, NOW);
  const left = await readdir(dir.path);
  expect(left).toHaveLength(200);
  expect(left).not.toContain('204');
});

it('forgets digests that no build has asked for in 30 days, whenever it writes', async () => {
  await using home = await TempDir.with({});
  const open = (days: number) => DigestCache.open({ home: home.path, root: '/ctx', nowMs: NOW + days * DAY_MS });
  const state = { sizeBytes: 1, mtimeNs: 1n, ctimeNs: 1n, inode: 1n };
  const [a, b, c] = [byteString('a'), byteString('b'), byteString('c')];
  const first = await open(0);
  for (const path of [a, b]) first.put(path, state, 'f'.repeat(64), NOW);
  await first.save();
  const second = await open(29);
  expect(second.find(a, state)).toBe('f'.repeat(64));
  second.put(c, state, 'e'.repeat(64), NOW);
  await second.save();
  const third = await open(31);
  third.put(c, state, 'd'.repeat(64), NOW);
  await third.save();
  const last = await open(31);
  expect([a, b, c].map((path) => last.find(path, state)?.[0])).toEqual(['f', undefined, 'd']);
});
