import { createHash, randomBytes } from 'node:crypto';
import { access, stat, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BlobStore } from '../blob-store.ts';

const MIB = 1024 * 1024;

export interface StoreUnderTest extends AsyncDisposable {
  readonly store: BlobStore;
  /** Opens the same store again, as another process does. */
  again(): BlobStore;
  /** How exactly the store measures time, ms. */
  readonly clockMs: number;
}

/** The tests that every adapter of `BlobStore` passes. */
export function testBlobStore(name: string, start: () => Promise<StoreUnderTest>): void {
  describe(`${name} as a blob store`, () => {
    let given: StoreUnderTest;
    let store: BlobStore;
    let keys = 0;
    /** A key that no other test uses. */
    const newKey = (prefix = 'blobs') => `${prefix}/${keys++}-key.v1_x`;
    beforeAll(async () => {
      given = await start();
      store = given.store;
    });
    afterAll(() => given[Symbol.asyncDispose]());

    const read = async (key: string, range?: { start?: number; end?: number }, from = store) => {
      const stream = await from.open(key, range);
      return stream && (await buffer(stream));
    };
    const put = (key: string, content: string | Buffer) => store.put(key, Readable.from([Buffer.from(content)]));
    const file = async (content: string | Buffer) => {
      const path = await store.tempPath();
      await writeFile(path, content);
      return path;
    };

    test.each([
      ['nothing', 0],
      ['one byte', 1],
      ['less than a part of an upload', MIB],
      ['exactly two smallest parts of S3', 10 * MIB],
      ['many parts', 33 * MIB + 7],
    ])('stores a stream with %s and says what it was', async (_what, bytes) => {
      const content = randomBytes(bytes);
      const key = newKey();
      const pieces = function* () {
        for (let at = 0; at < bytes; at += 70_001) yield content.subarray(at, at + 70_001);
      };
      const stored = await store.put(key, Readable.from(pieces(), { objectMode: false }));
      const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
      expect(stored).toEqual({ digest, sizeBytes: bytes });
      expect((await read(key, {}, given.again()))?.equals(content)).toBe(true);
      expect((await store.stat(key))?.sizeBytes).toBe(bytes);
    });

    test.each([
      ['small', 10],
      ['large', 17 * MIB],
    ])('takes over a %s file, which is gone then', async (_what, bytes) => {
      const content = randomBytes(bytes);
      const key = newKey();
      const path = await file(content);
      await store.adopt(path, key);
      expect((await read(key))?.equals(content)).toBe(true);
      await expect(access(path)).rejects.toMatchObject({ code: 'ENOENT' });
    });

    test('leaves a file that it could not take over to the caller', async () => {
      const path = await file('kept');
      await expect(store.adopt(path, 'no/../key')).rejects.toThrow(RangeError);
      expect((await stat(path)).size).toBe(4);
      await expect(store.adopt(await store.tempPath(), newKey())).rejects.toMatchObject({ code: 'ENOENT' });
    });

    test('takes over many files together, if that is cheaper there', async () => {
      const adoptions = await Promise.all(
        ['one', 'two', 'three'].map(async (content) => ({ tempPath: await file(content), key: newKey(), content })),
      );
      await store.adoptTogether?.([adoptions.slice(0, 2), adoptions.slice(2)]);
      for (const { tempPath, key, content } of store.adoptTogether ? adoptions : []) {
        expect(String(await read(key, {}, given.again()))).toBe(content);
        await expect(access(tempPath)).rejects.toMatchObject({ code: 'ENOENT' });
      }
      const bad = { tempPath: await file('kept'), key: 'no/../key' };
      await expect(
        (store.adoptTogether ?? (async () => store.adopt(bad.tempPath, bad.key))).call(store, [[bad]]),
      ).rejects.toThrow(RangeError);
      expect((await stat(bad.tempPath)).size).toBe(4);
    });

    test('reads ranges, both ends included, up to the end of the blob', async () => {
      const key = newKey();
      await put(key, '0123456789');
      const text = async (range: { start?: number; end?: number }) => (await read(key, range))?.toString();
      expect(await text({ start: 3, end: 5 })).toBe('345');
      expect(await text({ start: 9, end: 9 })).toBe('9');
      expect(await text({ start: 7 })).toBe('789');
      expect(await text({ end: 2 })).toBe('012');
      expect(await text({ start: 8, end: 100 })).toBe('89');
      expect(await text({ start: 10 })).toBe('');
      expect(await text({ start: 50, end: 60 })).toBe('');
      for (const range of [{ start: -1 }, { start: 3, end: 2 }, { start: 0.5 }, { end: Number.NaN }]) {
        await expect(store.open(key, range)).rejects.toThrow(RangeError);
      }
    });

    test('has nothing under a key that nothing was stored under', async () => {
      const key = newKey();
      expect([await read(key), await store.stat(key), await store.touch(key, 0)]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      await store.delete(key);
      await put(`${key}/below`, 'x');
      expect([await store.stat(key), await read(key)]).toEqual([undefined, undefined]);
    });

    test.each([
      ['at once', 0],
      ['after many parts', 20 * MIB],
    ])('keeps nothing of a stream that breaks off %s', async (_when, bytes) => {
      const key = newKey();
      const broken = function* () {
        for (let at = 0; at < bytes; at += MIB) yield Buffer.alloc(MIB);
        throw new Error('broke off');
      };
      await expect(store.put(key, Readable.from(broken(), { objectMode: false }))).rejects.toThrow('broke off');
      expect(await store.stat(key)).toBeUndefined();
      expect(await Array.fromAsync(store.list(key))).toEqual([]);
    });

    test('shows no part of a blob before all of it is there', async () => {
      const key = newKey();
      const seen: unknown[] = [];
      const slow = async function* () {
        for (let n = 0; n < 12; n += 1) {
          yield Buffer.alloc(MIB);
          seen.push(await given.again().stat(key));
        }
      };
      await store.put(key, Readable.from(slow(), { objectMode: false }));
      expect(new Set(seen)).toEqual(new Set([undefined]));
      expect((await store.stat(key))?.sizeBytes).toBe(12 * MIB);
    });

    test('stores the same blob several times at once', async () => {
      const key = newKey();
      const content = randomBytes(6 * MIB);
      const other = given.again();
      const all = [
        ...[store, other, store].map((each) => each.put(key, Readable.from([content]))),
        store.adopt(await file(content), key),
      ];
      await Promise.all(all);
      expect((await read(key))?.equals(content)).toBe(true);
    });

    test('lists what is below a prefix, with size and last use', async () => {
      const prefix = newKey('lists');
      const before = Date.now() - given.clockMs;
      const names = ['b', 'a/1', 'a/2', 'a.x/1', 'c'];
      await Promise.all(names.map((name, size) => put(`${prefix}/${name}`, 'x'.repeat(size))));
      await put(`${prefix}x/other`, 'x');
      const listed = await Array.fromAsync(given.again().list(prefix));
      const sizes = listed.map(({ key, sizeBytes }) => [key.slice(prefix.length + 1), sizeBytes]);
      expect(Object.fromEntries(sizes)).toEqual({ b: 0, 'a/1': 1, 'a/2': 2, 'a.x/1': 3, c: 4 });
      for (const { usedAt } of listed) {
        expect(usedAt).toBeGreaterThanOrEqual(before);
        expect(usedAt).toBeLessThanOrEqual(Date.now() + given.clockMs);
      }
      expect((await Array.fromAsync(store.list(`${prefix}/a`))).map(({ key }) => key).sort()).toEqual([
        `${prefix}/a/1`,
        `${prefix}/a/2`,
      ]);
      expect(await Array.fromAsync(store.list(newKey('lists')))).toEqual([]);
    });

    test('lists more blobs than fit on a page, and deletes them', async () => {
      const prefix = newKey('lists');
      const all = Array.from({ length: 130 }, (_, n) => `${prefix}/${n % 7}/${n}`);
      for (let at = 0; at < all.length; at += 50) {
        await Promise.all(all.slice(at, at + 50).map((key) => put(key, 'x')));
      }
      const listed = async () => (await Array.fromAsync(store.list(prefix))).map(({ key }) => key).sort();
      expect(await listed()).toEqual([...all].sort());
      await store.deleteMany([...all.slice(1), `${prefix}/never-there`]);
      expect(await listed()).toEqual([all[0]]);
      await store.delete(all[0] ?? '');
      expect(await listed()).toEqual([]);
    });

    test('notes a use only if the last one is long ago', async () => {
      const key = newKey();
      await put(key, 'used');
      const before = await store.stat(key);
      expect(await store.touch(key, 3_600_000)).toEqual(before);
      // As if the last use were an hour longer ago, until the store's clock has gone on.
      await expect
        .poll(async () => (await store.touch(key, -3_600_000))?.usedAt, { timeout: 60_000 })
        .toBeGreaterThan(before?.usedAt ?? Number.POSITIVE_INFINITY);
      expect([(await store.stat(key))?.sizeBytes, (await read(key))?.toString()]).toEqual([4, 'used']);
    });

    test('deletes leftovers of dead uploads, but none of live ones', async () => {
      const path = await file('unfinished');
      const key = newKey();
      await put(key, 'stays');
      await store.deleteLeftovers(Date.now() - 3_600_000);
      expect((await stat(path)).size).toBe(10);
      expect(await store.deleteLeftovers(Date.now() + 3_600_000)).toBeGreaterThan(0);
      await expect(access(path)).rejects.toMatchObject({ code: 'ENOENT' });
      expect((await read(key))?.toString()).toBe('stays');
    });

    test.each([
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      '..',
      'a/../b',
      './a',
      'a b',
      'ä',
      'a\\b',
      'tmp',
      'tmp/x',
      'a\n',
      'x'.repeat(2_000),
    ])('refuses %j as a key', async (key) => {
      const each = [
        () => put(key, 'x'),
        () => store.open(key),
        () => store.stat(key),
        () => store.touch(key, 0),
        () => store.delete(key),
        () => store.deleteMany([key]),
        () => Array.fromAsync(store.list(key)),
      ];
      for (const call of each) await expect(call()).rejects.toThrow(RangeError);
    });
  });
}
