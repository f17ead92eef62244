import { randomBytes } from 'node:crypto';
import { access, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { SnapshotMount } from '@kiln/contracts';
import type { Digest } from '@kiln/trees';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BlobStoreUnavailable } from '../errors.ts';
import { mountContent, readManifest } from '../snapshots/read-snapshot.ts';
import { type SnapshotTarget, SnapshotWriter } from '../snapshots/write-snapshot.ts';
import { type Fault, FaultyProxy } from '../testing/faulty-proxy.ts';
import { TestS3 } from '../testing/test-s3.ts';
import { storedTrees } from '../trees/stored-reader.ts';
import { TreeStore } from '../trees/tree-store.ts';
import { S3BlobStore } from './s3-blob-store.ts';
import type { S3Limits } from './s3-options.ts';

const MIB = 1024 * 1024;
const SLOW_DOWN = { status: 503, code: 'SlowDown' };
const BROKEN = { status: 500, code: 'InternalError' };
/** Faults of an answer as a whole. */
const FAULTS: readonly (readonly [string, Fault])[] = [
  ['asks to slow down', SLOW_DOWN],
  ['has an internal error', BROKEN],
  ['is replaced by a proxy that says 502', { status: 502 }],
  ['never answers', 'silence'],
  ['hangs up', 'hang up'],
  ['refuses access', { status: 403, code: 'AccessDenied' }],
];
const PASSING = FAULTS.filter(([what]) => what !== 'refuses access');

let s3: TestS3;
let proxy: FaultyProxy;
let store: S3BlobStore;
let direct: S3BlobStore;
const content = randomBytes(3 * MIB);

beforeAll(async () => {
  s3 = await TestS3.start();
  proxy = await FaultyProxy.start(s3.endpoint);
  direct = new S3BlobStore(s3.options('p'));
  await direct.put('logs/whole', Readable.from([content]));
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await s3[Symbol.asyncDispose]();
});
beforeEach(() => {
  proxy.fail('pass');
  // Each test has a client, and so a retry quota, of its own.
  store = open();
});

const open = (more: Partial<S3Limits> = {}) =>
  new S3BlobStore({
    ...s3.options('p'),
    endpoint: proxy.endpoint,
    limits: {
      attempts: 5,
      connectTimeoutMs: 1_000,
      // Long enough for a server on a busy machine, which must answer in the end.
      idleTimeoutMs: 2_000,
      requestTimeoutMs: 30_000,
      partBytes: 5 * MIB,
      ...more,
    },
  });

const put = (key: string, bytes: Buffer) => store.put(key, Readable.from([bytes]));
const read = async (key = 'logs/whole') => {
  const stream = await store.open(key);
  return stream && (await buffer(stream));
};

describe('while the store', () => {
  test.each(FAULTS)('%s, every call fails with BlobStoreUnavailable', async (_what, fault) => {
    proxy.fail(fault);
    store = open({ idleTimeoutMs: 500, attempts: 2 });
    const path = await store.tempPath();
    await writeFile(path, 'kept');
    const calls = {
      put: () => put('logs/never', Buffer.from('x')),
      'put in parts': () => put('logs/never', Buffer.alloc(11 * MIB)),
      adopt: () => store.adopt(path, 'logs/never'),
      open: () => store.open('logs/whole'),
      stat: () => store.stat('logs/whole'),
      touch: () => store.touch('logs/whole', 0),
      delete: () => store.delete('logs/whole'),
      deleteMany: () => store.deleteMany(['logs/whole', 'logs/other']),
      list: () => Array.fromAsync(store.list('logs')),
      deleteLeftovers: () => store.deleteLeftovers(0),
    };
    const failures = Object.entries(calls).map(async ([name, call]) => [
      name,
      await call().catch((error: unknown) => error),
    ]);
    for (const [name, error] of await Promise.all(failures)) {
      expect.soft(error, String(name)).toBeInstanceOf(BlobStoreUnavailable);
    }
    await access(path);
    expect(await direct.stat('logs/never')).toBeUndefined();
    expect((await direct.stat('logs/whole'))?.sizeBytes).toBe(content.length);
  });

  test.each(PASSING)('%s for a moment, calls succeed by trying again', async (_what, fault) => {
    proxy.failNext(fault, fault);
    expect((await read())?.equals(content)).toBe(true);
    proxy.failNext(fault, fault);
    const key = `logs/${randomBytes(4).toString('hex')}`;
    expect((await put(key, content)).sizeBytes).toBe(content.length);
    expect((await direct.stat(key))?.sizeBytes).toBe(content.length);
    proxy.failNext(fault);
    await store.delete(key);
    expect(await direct.stat(key)).toBeUndefined();
  });
});

test('a store that never answers delays no call longer than its limit, however long a connection may be idle', async () => {
  proxy.fail('silence');
  const patient = open({ idleTimeoutMs: 90_000, requestTimeoutMs: 300 });
  for (const call of [patient.open('logs/whole'), patient.stat('logs/whole'), patient.delete('logs/other')]) {
    await expect(call).rejects.toThrow(BlobStoreUnavailable);
  }
});

test('a store that cannot list uploads has no leftovers to delete', async () => {
  proxy.fail({ status: 501, code: 'NotImplemented' });
  expect(await open({ attempts: 1 }).deleteLeftovers(0)).toBe(0);
});

describe('a blob', () => {
  test.each<Fault>(['cut', 'stall'])('whose answers end by %s is read on from there', async (fault) => {
    proxy.requests.length = 0;
    proxy.failNext(fault, fault);
    expect((await read())?.equals(content)).toBe(true);
    expect(proxy.requests).toHaveLength(3);
  });

  test.each<Fault>(['cut', 'stall'])(
    'whose answers always end by %s is an error, never a shorter blob',
    async (fault) => {
      await direct.put('logs/small', Readable.from([Buffer.alloc(1_000)]));
      proxy.fail(fault);
      store = open({ idleTimeoutMs: 1_000 });
      const outcome = await read('logs/small').catch((error: unknown) => error);
      expect(outcome).toBeInstanceOf(BlobStoreUnavailable);
      expect((outcome as Error).message).toMatch(/broke off after \d+ of 1000 bytes/);
    },
  );

  test.each<Fault>(['short', 'page'])('whose answer is not what was asked for (%s) is an error', async (fault) => {
    proxy.fail(fault);
    await expect(read()).rejects.toThrow(BlobStoreUnavailable);
  });

  test('that is replaced while it is read is an error, not a mixture', async () => {
    await direct.put('logs/changing', Readable.from([Buffer.alloc(MIB, 'a')]));
    proxy.failNext('cut');
    const stream = await store.open('logs/changing');
    await direct.put('logs/changing', Readable.from([Buffer.alloc(MIB, 'b')]));
    await expect(buffer(stream as Readable)).rejects.toThrow(BlobStoreUnavailable);
  });

  test('whose bucket is gone is not taken for one that was never stored', async () => {
    const elsewhere = new S3BlobStore({ ...s3.options(), bucket: 'no-such-bucket' });
    await expect(elsewhere.open('logs/whole')).rejects.toThrow(BlobStoreUnavailable);
  });

  test('closes its connection when it is not read', async () => {
    // Nothing but the reader's end frees a connection.
    const narrow = open({ connections: 2, idleTimeoutMs: 90_000 });
    for (let n = 0; n < 5; n += 1) (await narrow.open('logs/whole'))?.destroy();
    const stream = await narrow.open('logs/whole');
    const first = await new Promise((resolve) => stream?.once('data', resolve));
    expect(first).toBeInstanceOf(Buffer);
    stream?.destroy();
    for (let n = 0; n < 5; n += 1) expect((await narrow.stat('logs/whole'))?.sizeBytes).toBe(content.length);
  });
});

describe('an upload in parts', () => {
  const large = randomBytes(16 * MIB);
  const part = (method: string, url: string) => method === 'PUT' && url.includes('partNumber=2');

  test('of which a part fails for good is aborted on the server, and its source ended', async () => {
    proxy.fail((method, url) => (part(method, url) ? BROKEN : 'pass'));
    const source = Readable.from([large.subarray(0, 8 * MIB), large.subarray(8 * MIB)]);
    await expect(store.put('logs/parts', source)).rejects.toThrow(BlobStoreUnavailable);
    expect(source.destroyed).toBe(true);
    expect(await s3.unfinished()).toEqual([]);
    expect(await direct.stat('logs/parts')).toBeUndefined();
  });

  test('that can be neither completed nor aborted is a leftover, which is deleted later', async () => {
    proxy.fail((method, url) => (url.includes('uploadId') && method !== 'PUT' ? SLOW_DOWN : 'pass'));
    store = open({ attempts: 2 });
    await expect(put('logs/parts', large)).rejects.toThrow(BlobStoreUnavailable);
    expect(await s3.unfinished()).toEqual(['p/logs/parts']);
    proxy.fail('pass');
    expect(await store.deleteLeftovers(Date.now())).toBeGreaterThan(0);
    expect(await s3.unfinished()).toEqual([]);
  });

  test.each<Fault>(['hang up', SLOW_DOWN, 'silence'])('survives parts that fail once (%j)', async (fault) => {
    let failures = 2;
    proxy.fail((method, url) => (part(method, url) && failures-- > 0 ? fault : 'pass'));
    await put('logs/parts-again', large);
    expect((await read('logs/parts-again'))?.equals(large)).toBe(true);
  });

  test('whose answer to the completion is lost is there whole, or fails', async () => {
    let isLost = false;
    proxy.fail((method, url) => {
      if (isLost || method !== 'POST' || !url.includes('uploadId')) return 'pass';
      isLost = true;
      return 'hang up after';
    });
    const outcome = await put('logs/lost-answer', large).catch((error: unknown) => error);
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(BlobStoreUnavailable);
    expect((await direct.stat('logs/lost-answer'))?.sizeBytes).toBe(large.length);
  });
});

describe('a snapshot of caches', () => {
  const CONTENT = randomBytes(MIB);
  /** A team's trees in a store, as the API and a worker use them. */
  const target = (blobs: S3BlobStore): SnapshotTarget => ({
    async missingFiles(files) {
      await using trees = treesIn(blobs);
      return (await trees.missing('web', { directories: [], files })).files.map(({ digest }) => digest);
    },
    async store(parts) {
      await using trees = treesIn(blobs);
      await using writer = trees.write({
        ...{ team: 'web', limits: { maxEntries: 1_000, maxFileBytes: 1e9 }, take: async () => {} },
      });
      for (const part of parts) await writer.add(part);
      await writer.flush();
    },
  });
  const treesIn = (blobs: S3BlobStore) =>
    new TreeStore({ blobs, horizonMs: 3_600_000, exclusively: (_, work) => work(), now: Date.now });
  const write = async (blobs: S3BlobStore, content = CONTENT) => {
    const writer = new SnapshotWriter(target(blobs));
    writer.keep(await writer.addMount({ id: '/c', kind: 'outputs' }, Readable.from([content])));
    return writer.finish();
  };
  const contentOf = async (blobs: S3BlobStore, root: Digest) => {
    const reader = storedTrees(blobs, 'web');
    const [mount] = (await readManifest(reader, root)).mounts;
    return buffer(Readable.from(mountContent(reader, mount as SnapshotMount)));
  };
  const BAD: readonly (readonly [string, Fault])[] = [
    ...FAULTS,
    ['sends half of each answer and stalls', 'stall'],
    ['breaks off in the middle of each answer', 'cut'],
    ['sends half of each answer as if it were all', 'short'],
  ];

  test.each(BAD)('is never given out in part while the store %s, and is whole afterwards', async (_what, fault) => {
    const { root } = await write(direct);
    const impatient = () => open({ idleTimeoutMs: 500, attempts: 2 });
    proxy.fail(fault);
    await expect(contentOf(impatient(), root)).rejects.toThrow();
    // The manifest arrives, and then the content doesn't.
    proxy.fail((_method, url) => (url.includes(root.slice(7)) ? 'pass' : fault));
    await expect(contentOf(impatient(), root)).rejects.toThrow();
    proxy.fail('pass');
    expect((await contentOf(impatient(), root)).equals(CONTENT)).toBe(true);
  });

  test.each(FAULTS)('is not made while the store %s; made again, it is whole', async (_what, fault) => {
    const content = randomBytes(MIB);
    proxy.fail((method) => (method === 'PUT' ? fault : 'pass'));
    await expect(write(open({ idleTimeoutMs: 500, attempts: 2 }), content)).rejects.toThrow();
    proxy.fail('pass');
    const { root } = await write(open(), content);
    expect((await contentOf(direct, root)).equals(content)).toBe(true);
  });
});
