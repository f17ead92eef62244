import { randomBytes } from 'node:crypto';
import { access, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { SnapshotMount } from '@kiln/contracts';
import type { Digest } from '@kiln/trees';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
const content = randomBytes(3 * MIB);

beforeAll(async () => {
  s3 = await TestS3.start();
});
afterAll(() => s3[Symbol.asyncDispose]());

/** A part of the bucket with a blob in it, reached through a proxy. Each test has its own, so that several can wait at the same time. */
class Place implements AsyncDisposable {
  readonly proxy: FaultyProxy;
  readonly #prefix = randomBytes(8).toString('hex');
  /** Reaches the store without the proxy. */
  readonly direct = new S3BlobStore(s3.options(this.#prefix));

  private constructor(proxy: FaultyProxy) {
    this.proxy = proxy;
  }

  static async open(): Promise<Place> {
    const place = new Place(await FaultyProxy.start(s3.endpoint));
    await place.direct.put('logs/whole', Readable.from([content]));
    return place;
  }

  /** A new client, and so a retry quota of its own. */
  store(more: Partial<S3Limits> = {}): S3BlobStore {
    return new S3BlobStore({
      ...s3.options(this.#prefix),
      endpoint: this.proxy.endpoint,
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
  }

  /** The keys of uploads that are neither complete nor aborted. */
  async unfinished(): Promise<string[]> {
    const start = `${this.#prefix}/`;
    const keys = (await s3.unfinished()).filter((key) => key.startsWith(start));
    return keys.map((key) => key.slice(start.length));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.proxy[Symbol.asyncDispose]();
  }
}

const put = (store: S3BlobStore, key: string, bytes: Buffer) => store.put(key, Readable.from([bytes]));
const read = async (store: S3BlobStore, key = 'logs/whole') => {
  const stream = await store.open(key);
  return stream && (await buffer(stream));
};

describe.concurrent('while the store', () => {
  test.each(FAULTS)('%s, every call fails with BlobStoreUnavailable', async (_what, fault) => {
    await using place = await Place.open();
    place.proxy.fail(fault);
    const store = place.store({ idleTimeoutMs: 500, attempts: 2 });
    const path = await store.tempPath();
    await writeFile(path, 'kept');
    const calls = {
      put: () => put(store, 'logs/never', Buffer.from('x')),
      'put in parts': () => put(store, 'logs/never', Buffer.alloc(11 * MIB)),
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
      expect(error, String(name)).toBeInstanceOf(BlobStoreUnavailable);
    }
    await access(path);
    expect(await place.direct.stat('logs/never')).toBeUndefined();
    expect((await place.direct.stat('logs/whole'))?.sizeBytes).toBe(content.length);
  });

  test.each(PASSING)('%s for a moment, calls succeed by trying again', async (_what, fault) => {
    await using place = await Place.open();
    const { proxy } = place;
    const store = place.store();
    proxy.failNext(fault, fault);
    expect((await read(store))?.equals(content)).toBe(true);
    proxy.failNext(fault, fault);
    const key = `logs/${randomBytes(4).toString('hex')}`;
    expect((await put(store, key, content)).sizeBytes).toBe(content.length);
    expect((await place.direct.stat(key))?.sizeBytes).toBe(content.length);
    proxy.failNext(fault);
    await store.delete(key);
    expect(await place.direct.stat(key)).toBeUndefined();
  });
});

test.concurrent('a store that never answers delays no call longer than its limit, however long a connection may be idle', async () => {
  await using place = await Place.open();
  place.proxy.fail('silence');
  const patient = place.store({ idleTimeoutMs: 90_000, requestTimeoutMs: 300 });
  for (const call of [patient.open('logs/whole'), patient.stat('logs/whole'), patient.delete('logs/other')]) {
    await expect(call).rejects.toThrow(BlobStoreUnavailable);
  }
});

test.concurrent('a store that cannot list uploads has no leftovers to delete', async () => {
  await using place = await Place.open();
  place.proxy.fail({ status: 501, code: 'NotImplemented' });
  expect(await place.store({ attempts: 1 }).deleteLeftovers(0)).toBe(0);
});

describe.concurrent('a blob', () => {
  test.each<Fault>(['cut', 'stall'])('whose answers end by %s is read on from there', async (fault) => {
    await using place = await Place.open();
    const { proxy } = place;
    proxy.failNext(fault, fault);
    expect((await read(place.store()))?.equals(content)).toBe(true);
    expect(proxy.requests).toHaveLength(3);
  });

  test.each<Fault>(['cut', 'stall'])(
    'whose answers always end by %s is an error, never a shorter blob',
    async (fault) => {
      await using place = await Place.open();
      await place.direct.put('logs/small', Readable.from([Buffer.alloc(1_000)]));
      place.proxy.fail(fault);
      const outcome = await read(place.store({ idleTimeoutMs: 1_000 }), 'logs/small').catch((error: unknown) => error);
      expect(outcome).toBeInstanceOf(BlobStoreUnavailable);
      expect((outcome as Error).message).toMatch(/broke off after \d+ of 1000 bytes/);
    },
  );

  test.each<Fault>(['short', 'page'])('whose answer is not what was asked for (%s) is an error', async (fault) => {
    await using place = await Place.open();
    place.proxy.fail(fault);
    await expect(read(place.store())).rejects.toThrow(BlobStoreUnavailable);
  });

  test('that is replaced while it is read is an error, not a mixture', async () => {
    await using place = await Place.open();
    await place.direct.put('logs/changing', Readable.from([Buffer.alloc(MIB, 'a')]));
    place.proxy.failNext('cut');
    const stream = await place.store().open('logs/changing');
    await place.direct.put('logs/changing', Readable.from([Buffer.alloc(MIB, 'b')]));
    await expect(buffer(stream as Readable)).rejects.toThrow(BlobStoreUnavailable);
  });

  test('whose bucket is gone is not taken for one that was never stored', async () => {
    const elsewhere = new S3BlobStore({ ...s3.options(), bucket: 'no-such-bucket' });
    await expect(elsewhere.open('logs/whole')).rejects.toThrow(BlobStoreUnavailable);
  });

  test('closes its connection when it is not read', async () => {
    // Nothing but the reader's end frees a connection.
    await using place = await Place.open();
    const narrow = place.store({ connections: 2, idleTimeoutMs: 90_000 });
    for (let n = 0; n < 5; n += 1) (await narrow.open('logs/whole'))?.destroy();
    const stream = await narrow.open('logs/whole');
    const first = await new Promise((resolve) => stream?.once('data', resolve));
    expect(first).toBeInstanceOf(Buffer);
    stream?.destroy();
    for (let n = 0; n < 5; n += 1) expect((await narrow.stat('logs/whole'))?.sizeBytes).toBe(content.length);
  });
});

describe.concurrent('an upload in parts', () => {
  const large = randomBytes(16 * MIB);
  const part = (method: string, url: string) => method === 'PUT' && url.includes('partNumber=2');

  test('of which a part fails for good is aborted on the server, and its source ended', async () => {
    await using place = await Place.open();
    place.proxy.fail((method, url) => (part(method, url) ? BROKEN : 'pass'));
    const source = Readable.from([large.subarray(0, 8 * MIB), large.subarray(8 * MIB)]);
    await expect(place.store().put('logs/parts', source)).rejects.toThrow(BlobStoreUnavailable);
    expect(source.destroyed).toBe(true);
    expect(await place.unfinished()).toEqual([]);
    expect(await place.direct.stat('logs/parts')).toBeUndefined();
  });

  test('that can be neither completed nor aborted is a leftover, which is deleted later', async () => {
    await using place = await Place.open();
    place.proxy.fail((method, url) => (url.includes('uploadId') && method !== 'PUT' ? SLOW_DOWN : 'pass'));
    const store = place.store({ attempts: 2 });
    await expect(put(store, 'logs/parts', large)).rejects.toThrow(BlobStoreUnavailable);
    expect(await place.unfinished()).toEqual(['logs/parts']);
    place.proxy.fail('pass');
    expect(await store.deleteLeftovers(Date.now())).toBeGreaterThan(0);
    expect(await place.unfinished()).toEqual([]);
  });

  test.each<Fault>(['hang up', SLOW_DOWN, 'silence'])('survives parts that fail once (%j)', async (fault) => {
    await using place = await Place.open();
    const store = place.store();
    let failures = 2;
    place.proxy.fail((method, url) => (part(method, url) && failures-- > 0 ? fault : 'pass'));
    await put(store, 'logs/parts-again', large);
    expect((await read(store, 'logs/parts-again'))?.equals(large)).toBe(true);
  });

  test('whose answer to the completion is lost is there whole, or fails', async () => {
    await using place = await Place.open();
    let isLost = false;
    place.proxy.fail((method, url) => {
      if (isLost || method !== 'POST' || !url.includes('uploadId')) return 'pass';
      isLost = true;
      return 'hang up after';
    });
    const outcome = await put(place.store(), 'logs/lost-answer', large).catch((error: unknown) => error);
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(BlobStoreUnavailable);
    expect((await place.direct.stat('logs/lost-answer'))?.sizeBytes).toBe(large.length);
  });
});

describe.concurrent('a snapshot of caches', () => {
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
  const write = async (blobs: S3BlobStore) => {
    const writer = new SnapshotWriter(target(blobs));
    writer.keep(await writer.addMount({ id: '/c', kind: 'outputs' }, Readable.from([CONTENT])));
    return writer.finish();
  };
  const contentOf = async (blobs: S3BlobStore, root: Digest) => {
    const reader = storedTrees(blobs, 'web');
    const [mount] = (await readManifest(reader, root)).mounts;
    return buffer(Readable.from(mountContent(reader, mount as SnapshotMount)));
  };
  /** Chunks are files of a tree; the manifest is in its directory. */
  const isContent = (url: string) => url.includes('/trees/web/f/');
  const BAD: readonly (readonly [string, Fault])[] = [
    ...FAULTS,
    ['sends half of each answer and stalls', 'stall'],
    ['breaks off in the middle of each answer', 'cut'],
    ['sends half of each answer as if it were all', 'short'],
  ];

  test.each(BAD)('is never given out in part while the store %s, and is whole afterwards', async (_what, fault) => {
    await using place = await Place.open();
    const { direct, proxy } = place;
    const { root } = await write(direct);
    const impatient = () => place.store({ idleTimeoutMs: 500, attempts: 2 });
    proxy.fail(fault);
    await expect(contentOf(impatient(), root)).rejects.toThrow();
    // The manifest arrives, and then the content doesn't.
    proxy.fail((_method, url) => (isContent(url) ? fault : 'pass'));
    await expect(contentOf(impatient(), root)).rejects.toThrow();
    proxy.fail('pass');
    expect((await contentOf(place.store(), root)).equals(CONTENT)).toBe(true);
  });

  test.each(FAULTS)('is not made while the store %s; made again, it is whole', async (_what, fault) => {
    await using place = await Place.open();
    place.proxy.fail((method, url) => (method === 'PUT' && isContent(url) ? fault : 'pass'));
    await expect(write(place.store({ idleTimeoutMs: 500, attempts: 2 }))).rejects.toThrow();
    place.proxy.fail('pass');
    const { root } = await write(place.store());
    expect((await contentOf(place.direct, root)).equals(CONTENT)).toBe(true);
  });
});
