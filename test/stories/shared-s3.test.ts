import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type BlobStore, openBlobs } from '@kiln/blobs';
import { FaultyProxy, TestS3 } from '@kiln/blobs/testing';
import { logIndexKey } from '@kiln/contracts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { contextOf } from '../support/context.ts';
import { quick } from '../support/dockerfiles.ts';
import { expectWhole, outputOf } from '../support/logs.ts';
import type { Pool } from '../support/pool/pool.ts';
import { programsOfRun } from '../support/pool/programs.ts';
import { startPool } from '../support/pool/start-pool.ts';
import { ManagedProcess } from '../support/process.ts';

const POLL = { timeout: 60_000, interval: 100 };
const ENDED = { timeout: 120_000, interval: 250 };

let s3: TestS3;
let proxy: FaultyProxy;
let store: BlobStore & AsyncDisposable;
let pool: Pool;

const place = () => ({
  KILN_S3_BUCKET: s3.bucket,
  KILN_S3_PREFIX: 'pool',
  KILN_S3_ENDPOINT: proxy.endpoint,
  KILN_S3_ACCESS_KEY_ID: s3.credentials.accessKeyId,
  KILN_S3_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
});

beforeAll(async () => {
  s3 = await TestS3.start();
  proxy = await FaultyProxy.start(s3.endpoint);
  store = await openBlobs({ s3: s3.options('pool') });
  // The worker uses the store itself, and has no directory in common with an API.
  pool = await startPool({ apis: 2, env: { api: place(), worker: { ...place(), KILN_BLOB_DIR: '' } } });
});
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await s3[Symbol.asyncDispose]();
});
beforeEach(() => {
  proxy.fail('pass');
  pool.watch();
});

const isArchived = async (id: string) => (await store.stat(logIndexKey(id, 1))) !== undefined;
const logFrom = (api: string, id: string) => Array.fromAsync(pool.clientOf(api).followLog(id, { follow: false }));

test('two APIs share contexts, logs and artifacts', async () => {
  const [one, other] = [pool.clientOf('1'), pool.clientOf('2')];
  const dockerfile = 'FROM scratch\nCOPY data /data\n';
  const data = 'x'.repeat(100_000);
  const first = await pool.submit(dockerfile, { files: { data }, output: { type: 'artifact' }, by: one });
  expect((await pool.end(first.id)).failure).toBeUndefined();
  const artifact = await buffer(Readable.from((await other.artifact(first.id)).body));
  expect(artifact.includes(data)).toBe(true);

  // If the store breaks off for good, so does the answer, so that a part isn't taken for the whole.
  proxy.fail((method, url) => (method === 'GET' && url.includes('/artifacts/') ? 'cut' : 'pass'));
  const { body } = await other.artifact(first.id);
  await expect(buffer(Readable.from(body))).rejects.toThrow();
  await expect.poll(() => pool.linesOf('broke off after').length, POLL).toBeGreaterThan(0);
  proxy.fail('pass');

  // The same context, named to the other API by its digest alone.
  const digest = first.request.source.type === 'upload' ? (first.request.source.digest ?? '') : '';
  expect(await Array.fromAsync(store.list('trees/default'))).not.toEqual([]);
  const again = await other.submit({ source: { type: 'upload', name: 'again', digest } });
  expect(await pool.end(again.id)).toMatchObject({ state: 'succeeded' });

  await expect.poll(() => isArchived(first.id), POLL).toBe(true);
  for (const api of ['1', '2']) expectWhole(await logFrom(api, first.id), 1);
});

test('a store that goes away in mid-build costs no record, and requests that need it are told to try later', async () => {
  const build = await pool.hang();
  proxy.fail('hang up');
  const context = await contextOf({ Dockerfile: quick('away') });
  const refused = pool
    .clientOf('1')
    .submit({ source: { type: 'upload', name: 'away' } }, { context, giveUpAfterMs: 0 });
  await expect(refused).rejects.toMatchObject({ problem: { code: 'unavailable', status: 503 }, retryAfterMs: 5_000 });

  await build.release();
  expect(await pool.end(build.id)).toMatchObject({ state: 'succeeded' });
  await expect.poll(() => pool.linesOf('archiving a log failed').length, POLL).toBeGreaterThan(0);
  for (const api of ['1', '2']) {
    const log = await logFrom(api, build.id);
    expectWhole(log, 1);
    expect(outputOf(log)).toContain('released');
  }
  expect(await isArchived(build.id)).toBe(false);

  proxy.fail('pass');
  await expect.poll(() => isArchived(build.id), ENDED).toBe(true);
  for (const api of ['1', '2']) {
    const log = await logFrom(api, build.id);
    expectWhole(log, 1);
    expect(outputOf(log)).toContain('released');
  }
});

test('an API whose bucket is missing does not start, and names the setting', async () => {
  const api = new ManagedProcess('api with a wrong bucket', process.execPath, [(await programsOfRun()).api], {
    ...{ ...process.env, ...place(), KILN_S3_BUCKET: 'no-such-bucket', KILN_BLOB_DIR: s3.spoolDir },
    ...{ KILN_REDIS_URL: pool.redis.url, KILN_SECRET_KEY: randomBytes(32).toString('base64'), KILN_TOKEN: 'a-token' },
    ...{ KILN_PORT: '0', KILN_NAMESPACE: 'another' },
  });
  expect(await api.exited).toEqual({ code: 1, signal: null });
  expect(api.lines.join('\n')).toContain('KILN_S3_BUCKET: got \\"no-such-bucket\\", expected a bucket that exists');
});
