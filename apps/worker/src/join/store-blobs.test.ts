import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { BlobStoreUnavailable, FsBlobStore } from '@kiln/blobs';
import { artifactKey, contextKey } from '@kiln/contracts';
import type { MeteredBlobs } from '@kiln/state';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StoreBlobs } from './store-blobs.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const REF = { buildId: '0'.repeat(26), attempt: 1, host: 'a', incarnation: 'i', nonce: 'n' };
const LIMITS = { team: 'web' } as const;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-store-blobs-'));
  await new FsBlobStore(dir).put(contextKey(DIGEST), Readable.from([Buffer.from('a context')]));
});
afterAll(() => rm(dir, { recursive: true }));

/** A store that is away for the first `calls` calls. */
class AwayAtFirst extends FsBlobStore {
  left: number;
  constructor(calls: number) {
    super(dir);
    this.left = calls;
  }
  override async stat(key: string) {
    this.#call();
    return super.stat(key);
  }
  override async touch(key: string, unusedMs: number) {
    this.#call();
    return super.touch(key, unusedMs);
  }
  #call(): void {
    this.left -= 1;
    if (this.left >= 0) throw new BlobStoreUnavailable('away');
  }
}

/** Counts nothing, as quotas are tested in state. */
const metered = (store: FsBlobStore) =>
  ({ putWithin: (key: string, content: Readable) => store.put(key, content) }) as unknown as MeteredBlobs;

test('waits for a store that is away', async () => {
  const store = new AwayAtFirst(2);
  const blobs = new StoreBlobs(store, metered(store));
  const context = await blobs.openContext(DIGEST);
  expect(await text(context ?? Readable.from([]))).toBe('a context');
  expect(await blobs.openContext(`sha256:${'1'.repeat(64)}`)).toBeUndefined();

  store.left = 2;
  const stored = await blobs.storeArtifact(REF, Readable.from([Buffer.from('a tar')]), LIMITS);
  expect(stored.sizeBytes).toBe(5);
  expect((await new FsBlobStore(dir).stat(artifactKey(REF.buildId, REF.attempt)))?.sizeBytes).toBe(5);
});

test('gives up after a while, and when its attempt is stopped', async () => {
  const store = new AwayAtFirst(Number.POSITIVE_INFINITY);
  const brief = new StoreBlobs(store, metered(store), { awayMs: 0 });
  await expect(brief.openContext(DIGEST)).rejects.toThrow(BlobStoreUnavailable);
  const stop = new AbortController();
  const waiting = new StoreBlobs(store, metered(store)).openContext(DIGEST, stop.signal);
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
});
