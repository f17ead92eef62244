import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { FsBlobStore } from '@kiln/blobs';
import { logIndexKey, logKey } from '@kiln/contracts';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openState, type State } from '../open-state.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { BlobTooLarge, StorageFull, StorageQuotaExceeded } from './errors.ts';
import { MeteredBlobs } from './metered-blobs.ts';
import type { StorageLedger } from './storage-ledger.ts';

const MIB = 1024 * 1024;
const BUILD = '0'.repeat(26);
let redis: TestRedis;
let state: State;
let ledger: StorageLedger;
let dir: string;
let store: FsBlobStore;
let now = 1_000;

beforeAll(async () => {
  redis = await TestRedis.start();
  const pool = { redisUrl: redis.url, namespace: 'storage', secretKey: Buffer.alloc(32, 1) };
  state = await openState({ ...pool, onError: () => {}, now: () => now });
  ledger = state.storage;
  dir = await mkdtemp(join(tmpdir(), 'kiln-storage-'));
  store = new FsBlobStore(dir);
});
afterAll(async () => {
  await state[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});
beforeEach(async () => {
  now = 1_000;
  await state.redis.flushall();
});

const metered = (change: { freeBytes?: () => Promise<number> } = {}) =>
  new MeteredBlobs(Object.assign(new FsBlobStore(dir), change), {
    ledger,
    teamOf: async (id) => (id === BUILD ? 'web' : undefined),
    reserveBytes: 1_000,
    now: () => now,
  });
const usedBy = async (...teams: string[]) => Promise.all(teams.map((team) => ledger.usedBy(team)));
const bytesOf = (size: number, pieces = 1) =>
  Readable.from(Array.from({ length: pieces }, () => Buffer.alloc(size / pieces, 1)));

describe('the ledger', () => {
  test('replaces the earlier charge of a blob, and charges it fully to each of its teams', async () => {
    await ledger.charge('contexts/a', 100, [{ team: 'web' }]);
    await ledger.charge('contexts/a', 100, [{ team: 'web' }]);
    await ledger.charge('contexts/a', 120, [{ team: 'ops' }]);
    expect(await usedBy('web', 'ops', 'other')).toEqual([120, 120, 0]);
    expect(await ledger.entry('contexts/a')).toEqual({
      ...{ key: 'contexts/a', sizeBytes: 120, at: 1_000, teams: ['web', 'ops'] },
    });
    expect(await ledger.release('contexts/a')).toBe(true);
    expect(await ledger.release('contexts/a')).toBe(false);
    expect(await usedBy('web', 'ops')).toEqual([0, 0]);
  });

  test('refuses a charge over the quota without changing anything, but never a smaller one', async () => {
    const share = { team: 'web', quotaBytes: 150 };
    await ledger.charge('a', 100, [share]);
    const refused = ledger.charge('b', 51, [{ team: 'ops' }, share]);
    await expect(refused).rejects.toMatchObject({ team: 'web', quotaBytes: 150, usedBytes: 100 });
    await expect(refused).rejects.toBeInstanceOf(StorageQuotaExceeded);
    expect(await usedBy('web', 'ops')).toEqual([100, 0]);
    await ledger.charge('b', 50, [share]);
    await ledger.charge('b', 40, [{ ...share, quotaBytes: 1 }]);
    await ledger.charge('c', 40, [{ ...share, quotaBytes: 140 }], { from: 'b' });
    expect(await ledger.entry('b')).toBeUndefined();
    expect(await usedBy('web')).toEqual([140]);
  });

  test('keeps every team’s total equal to its entries after any sequence of calls', async () => {
    const key = fc.constantFrom('a', 'b', 'c');
    const share = fc.record({ team: fc.constantFrom('x', 'y'), quotaBytes: fc.option(fc.nat(60), { nil: undefined }) });
    const step = fc.oneof(
      fc.record({ key, size: fc.nat(40), shares: fc.uniqueArray(share, { selector: ({ team }) => team }), from: key }),
      fc.record({ key }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        await state.redis.flushall();
        for (const one of steps) {
          if (!('size' in one)) await ledger.release(one.key);
          else {
            const from = one.from === one.key ? {} : { from: one.from };
            await ledger.charge(one.key, one.size, one.shares, from).catch((error: unknown) => {
              if (!(error instanceof StorageQuotaExceeded)) throw error;
            });
          }
        }
        const sums: Record<string, number> = {};
        for await (const { sizeBytes, teams } of ledger.entries()) {
          for (const team of teams) sums[team] = (sums[team] ?? 0) + sizeBytes;
        }
        expect(await usedBy('x', 'y')).toEqual([sums.x ?? 0, sums.y ?? 0]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the metered store', () => {
  test('charges blobs of builds by their keys and releases them when they are deleted', async () => {
    const blobs = metered();
    await blobs.put(logKey(BUILD, 1), bytesOf(300));
    await blobs.put(logIndexKey(BUILD, 1), bytesOf(50));
    await blobs.put(`pieces/${BUILD}/1/7`, bytesOf(20));
    await blobs.put(logKey('1'.repeat(26), 1), bytesOf(1_000));
    expect(await usedBy('web')).toEqual([320]);
    for (const key of [logKey(BUILD, 1), logIndexKey(BUILD, 1), `pieces/${BUILD}/1/7`]) await blobs.delete(key);
    expect(await usedBy('web')).toEqual([0]);
  });

  test('stops an upload at the first byte over the limit and leaves nothing of it', async () => {
    const blobs = metered();
    const share = { team: 'web', quotaBytes: 10 * MIB };
    await blobs.putWithin('artifacts/a', bytesOf(6 * MIB, 6), { share });
    expect(await usedBy('web')).toEqual([6 * MIB]);
    const read: number[] = [];
    const counting = bytesOf(8 * MIB, 8).map((chunk: Buffer) => {
      read.push(chunk.length);
      return chunk;
    });
    await expect(blobs.putWithin('artifacts/b', counting, { share })).rejects.toThrow(
      `team web may store ${10 * MIB} bytes (limit storedBytes) and already stores ${6 * MIB}`,
    );
    expect(read.length).toBeLessThan(8);
    expect([await blobs.stat('artifacts/b'), ...(await usedBy('web'))]).toEqual([undefined, 6 * MIB]);
    // Exactly the rest of the quota fits, though steps are charged ahead.
    await blobs.putWithin('artifacts/b', bytesOf(4 * MIB, 8), { share });
    const limited = { share: { team: 'ops' }, maxBytes: 99 };
    await expect(blobs.putWithin('artifacts/c', bytesOf(100), limited)).rejects.toThrow(BlobTooLarge);
    expect(await usedBy('web', 'ops')).toEqual([10 * MIB, 0]);
  });

  test('doesn’t let concurrent uploads exceed the quota together', async () => {
    const blobs = metered();
    const share = { team: 'web', quotaBytes: 10 * MIB };
    const all = await Promise.allSettled(
      Array.from({ length: 6 }, (_, i) => blobs.putWithin(`artifacts/${i}`, bytesOf(3 * MIB, 12), { share })),
    );
    const stored = all.filter(({ status }) => status === 'fulfilled').length;
    expect(stored).toBeLessThanOrEqual(3);
    expect(await usedBy('web')).toEqual([stored * 3 * MIB]);
  });

  test('refuses uploads, but no logs, while less space is free than is reserved', async () => {
    let freeBytes = 5_000;
    const blobs = metered({ freeBytes: async () => freeBytes });
    await using upload = await blobs.beginUpload({ share: { team: 'web' } });
    freeBytes = 999;
    now += 1_000;
    await expect(upload.take(1)).rejects.toThrow('the blob store has 999 bytes free and reserves 1000 for logs');
    await expect(blobs.putWithin('artifacts/x', bytesOf(1), {})).rejects.toThrow(StorageFull);
    await blobs.put(logKey(BUILD, 2), bytesOf(300));
    expect(await usedBy('web')).toEqual([300]);
    expect(await store.freeBytes()).toBeGreaterThan(0);
  });
});
