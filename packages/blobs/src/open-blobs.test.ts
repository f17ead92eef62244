import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { BlobStoreUnfit } from './errors.ts';
import { openBlobs } from './open-blobs.ts';
import type { S3Options } from './s3/s3-options.ts';
import { type Fault, FaultyProxy } from './testing/faulty-proxy.ts';
import { TestS3 } from './testing/test-s3.ts';

/** Long enough for a busy machine. */
const LIMITS = { attempts: 1, connectTimeoutMs: 5_000, idleTimeoutMs: 5_000 };
const NONE = {
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_SHARED_CREDENTIALS_FILE: '/none',
  AWS_CONFIG_FILE: '/none',
  HOME: '/none',
};

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-open-'));
});
afterAll(() => rm(dir, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

async function refusal(s3: S3Options): Promise<string> {
  const error = await openBlobs({ s3: { ...s3, limits: LIMITS } }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(BlobStoreUnfit);
  return (error as Error).message;
}

describe('a directory', () => {
  test('that can be used is opened, and left empty', async () => {
    await using store = await openBlobs({ dir: join(dir, 'new/blobs') });
    expect(await Array.fromAsync(store.list('probe'))).toEqual([]);
  });

  test('that isn’t one is refused with its name', async () => {
    await writeFile(join(dir, 'file'), '');
    await expect(openBlobs({ dir: join(dir, 'file') })).rejects.toThrow(
      /the blob directory .*file \(KILN_BLOB_DIR\) can’t be used/,
    );
  });
});

describe('an S3 store', () => {
  let s3: TestS3;
  beforeAll(async () => {
    s3 = await TestS3.start();
  });
  afterAll(() => s3[Symbol.asyncDispose]());

  test('that can be used is opened, and left empty', async () => {
    await using store = await openBlobs({ s3: s3.options('kiln') });
    expect(await Array.fromAsync(store.list('probe'))).toEqual([]);
  });

  test('without the bucket is refused', async () => {
    expect(await refusal({ ...s3.options(), bucket: 'no-such-bucket' })).toMatch(
      /^KILN_S3_BUCKET: got "no-such-bucket", expected a bucket that exists in http/,
    );
  });

  test('where no server answers is refused', async () => {
    expect(await refusal({ ...s3.options(), endpoint: 'http://127.0.0.1:9' })).toMatch(
      /^KILN_S3_ENDPOINT: got "http:\/\/127.0.0.1:9", expected an S3 store that answers \(.*ECONNREFUSED/,
    );
  });

  test('for which there are no credentials is refused', async () => {
    for (const [name, value] of Object.entries(NONE)) vi.stubEnv(name, value);
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    expect(await refusal({ ...s3.options(), credentials: undefined })).toMatch(
      /^KILN_S3_ACCESS_KEY_ID: got nothing, expected an access key, or credentials that the AWS SDK finds/,
    );
  });

  test('is opened with the credentials of the environment', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
    await using _store = await openBlobs({ s3: { ...s3.options(), credentials: undefined } });
  });

  test.each<[Fault, (method: string, url: string) => boolean, RegExp]>([
    [
      { status: 403, code: 'InvalidAccessKeyId' },
      (method) => method === 'PUT',
      /^KILN_S3_ACCESS_KEY_ID: got "test", expected an access key that/,
    ],
    [
      { status: 403, code: 'SignatureDoesNotMatch' },
      (method) => method === 'PUT',
      /^KILN_S3_SECRET_ACCESS_KEY: got a value that is not shown/,
    ],
    [
      { status: 403 },
      (method) => method === 'HEAD',
      /^KILN_S3_ACCESS_KEY_ID: .*may read, write, list and delete in bucket/,
    ],
    [
      { status: 403, code: 'AccessDenied' },
      (method) => method === 'PUT',
      /may read, write, list and delete .*\(storing blob probe.* AccessDenied/,
    ],
    [
      { status: 403, code: 'AccessDenied' },
      (method) => method === 'DELETE',
      /may read, write, list and delete .*\(deleting blob/,
    ],
    [
      { status: 403, code: 'AccessDenied' },
      (_method, url) => url.includes('x-id=CopyObject'),
      /may read, write, list and delete .*\(noting the use/,
    ],
    [
      { status: 403, code: 'AccessDenied' },
      (_method, url) => url.includes('list-type'),
      /may read, write, list and delete .*\(listing/,
    ],
    [{ status: 301, code: 'PermanentRedirect' }, (method) => method === 'PUT', /^KILN_S3_REGION: got "us-east-1"/],
    ['page', (method) => method === 'GET', /^KILN_S3_ENDPOINT: .*expected an S3 store that answers/],
  ])('that answers %j is refused', async (fault, where, message) => {
    await using proxy = await FaultyProxy.start(s3.endpoint);
    proxy.fail((method, url) => (where(method, url) ? fault : 'pass'));
    expect(await refusal({ ...s3.options(), endpoint: proxy.endpoint })).toMatch(message);
  });
});

describe('an S3 store over HTTPS', () => {
  test('is trusted by its own authority alone', async () => {
    const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
        ...['-subj', '/CN=s3', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
      ],
      { stdio: 'ignore' },
    );
    await using s3 = await TestS3.start({ tls: { cert, key } });
    await using _store = await openBlobs({ s3: s3.options() });
    const { ca: _ca, ...strange } = s3.options();
    expect(await refusal(strange)).toMatch(
      /^KILN_S3_CA_FILE: got nothing, expected the authority of the certificate of https:/,
    );
    expect(s3.options().ca).toBe(await readFile(cert, 'utf8'));
  });
});
