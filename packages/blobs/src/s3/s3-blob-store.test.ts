import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testBlobStore } from '../testing/test-blob-store.ts';
import { TestS3 } from '../testing/test-s3.ts';
import { S3BlobStore } from './s3-blob-store.ts';

const MIB = 1024 * 1024;

testBlobStore('an S3 store with a prefix', async () => {
  const s3 = await TestS3.start();
  const open = () => new S3BlobStore({ ...s3.options('team/kiln'), limits: { partBytes: 5 * MIB, pageKeys: 40 } });
  return {
    store: open(),
    again: open,
    clockMs: 1_000,
    [Symbol.asyncDispose]: () => s3[Symbol.asyncDispose](),
  };
});

describe('an S3 store', () => {
  let s3: TestS3;
  beforeAll(async () => {
    s3 = await TestS3.start();
  });
  afterAll(() => s3[Symbol.asyncDispose]());
  const open = (prefix: string, limits = {}) =>
    new S3BlobStore({ ...s3.options(prefix), limits: { partBytes: 5 * MIB, ...limits } });

  test('renews a large blob in parts', async () => {
    const store = open('renewed', { copyPartBytes: 5 * MIB });
    const content = randomBytes(12 * MIB);
    await store.put('contexts/a', Readable.from([content]));
    const before = await store.stat('contexts/a');
    await expect
      .poll(async () => (await store.touch('contexts/a', -3_600_000))?.usedAt, { timeout: 60_000 })
      .toBeGreaterThan(before?.usedAt ?? Number.POSITIVE_INFINITY);
    const stream = await store.open('contexts/a');
    expect(stream && (await buffer(stream)).equals(content)).toBe(true);
    expect(await s3.unfinished()).toEqual([]);
  });

  test('aborts an upload on the server when the content breaks off', async () => {
    const broken = function* () {
      for (let n = 0; n < 12; n += 1) yield Buffer.alloc(MIB);
      throw new Error('broke off');
    };
    const put = open('broken').put('contexts/a', Readable.from(broken(), { objectMode: false }));
    await expect(put).rejects.toThrow('broke off');
    expect(await s3.unfinished()).toEqual([]);
  });

  test('keeps stores with different prefixes apart', async () => {
    await open('one').put('logs/a', Readable.from([Buffer.from('one')]));
    await open('one-more').put('logs/b', Readable.from([Buffer.from('more')]));
    const keys = async (prefix: string) => (await Array.fromAsync(open(prefix).list('logs'))).map(({ key }) => key);
    expect([await keys('one'), await keys('one-more'), await keys('none')]).toEqual([['logs/a'], ['logs/b'], []]);
  });
});
