import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { BlobStore } from './blob-store.ts';
import { FsBlobStore } from './directory/fs-blob-store.ts';
import { BlobStoreUnfit } from './errors.ts';
import type { S3Options } from './s3/s3-options.ts';

/** Where blobs are: in a directory or in an S3 store. */
export type BlobPlace = { readonly dir: string } | { readonly s3: S3Options };

const PROBES = 'probe';
/** Age from which a probe was left by a process that died, ms. */
const OLD_PROBE_MS = 3_600_000;

/**
 * Opens the blob store and tries every kind of call on it, so that a process with a wrong setting or right doesn't start.
 * @throws BlobStoreUnfit
 */
export async function openBlobs(place: BlobPlace): Promise<BlobStore & AsyncDisposable> {
  if ('dir' in place) {
    const dir = resolve(place.dir);
    const store = new FsBlobStore(dir);
    await probe(store).catch((error: Error) => {
      throw new BlobStoreUnfit(`the blob directory ${dir} (KILN_BLOB_DIR) can’t be used: ${error.message}`, {
        cause: error,
      });
    });
    return Object.assign(store, { [Symbol.asyncDispose]: async () => {} });
  }
  // Loaded only where it is used, because the SDK is large.
  const { explainUnfit, S3BlobStore } = await import('./s3/index.ts');
  const store = new S3BlobStore(place.s3);
  try {
    await probe(store);
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw explainUnfit(error, place.s3);
  }
  return store;
}

async function probe(store: BlobStore): Promise<void> {
  const key = `${PROBES}/${randomUUID()}`;
  // S3 answers 403 to this where the right to list is missing: then a missing blob couldn't be told from an error.
  if (await store.stat(key)) throw new Error(`got a blob ${key}, expected none`);
  await store.put(key, Readable.from([Buffer.from(key)]));
  const stream = await store.open(key);
  const found = stream ? await text(stream) : 'nothing';
  if (found !== key) throw new Error(`read ${JSON.stringify(found)}, expected what had just been stored`);
  // As if its last use were long ago, so that S3 has to copy it.
  await store.touch(key, -OLD_PROBE_MS);
  const now = Date.now();
  for await (const { key: probed, usedAt } of store.list(PROBES)) {
    if (probed === key || now - usedAt > OLD_PROBE_MS) await store.delete(probed);
  }
  if (await store.stat(key)) throw new Error(`the blob ${key} is there after it was deleted, or isn’t in lists`);
}
