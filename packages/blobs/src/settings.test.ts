import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnv } from '@kiln/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { s3Env, s3Options } from './settings.ts';

const read = (env: NodeJS.ProcessEnv) => s3Options(readEnv(z.object(s3Env), env), '/spool');
const BUCKET = { KILN_S3_BUCKET: 'builds' };
const HTTPS = { ...BUCKET, KILN_S3_ENDPOINT: 'https://s3' };
let dir: string;
const file = (name: string) => join(dir, name);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-settings-'));
  await writeFile(file('ca.pem'), '-----BEGIN CERTIFICATE-----\nx\n');
  await writeFile(file('secret'), 'from the file\n');
});
afterAll(() => rm(dir, { recursive: true }));

test('is no S3 store without a bucket', () => {
  expect(read({})).toBeUndefined();
  expect(read({ KILN_S3_BUCKET: '', KILN_S3_REGION: 'eu-1' })).toBeUndefined();
});

test('leaves endpoint and credentials to the SDK unless they are set', () => {
  expect(read(BUCKET)).toMatchObject({ bucket: 'builds', prefix: '', region: 'us-east-1', spoolDir: '/spool' });
  expect(read(BUCKET)).toMatchObject({ endpoint: undefined, credentials: undefined, ca: undefined });
});

test('reads everything of a store of one’s own', () => {
  const env = {
    ...HTTPS,
    KILN_S3_PREFIX: 'pools/a',
    KILN_S3_REGION: 'eu-1',
    KILN_S3_CA_FILE: file('ca.pem'),
    KILN_S3_ACCESS_KEY_ID: 'id',
    KILN_S3_SECRET_ACCESS_KEY_FILE: file('secret'),
  };
  expect(read(env)).toEqual({
    ...{ bucket: 'builds', prefix: 'pools/a', endpoint: 'https://s3', region: 'eu-1', spoolDir: '/spool' },
    ca: expect.stringContaining('BEGIN CERTIFICATE'),
    credentials: { accessKeyId: 'id', secretAccessKey: 'from the file' },
  });
});

test.each<[NodeJS.ProcessEnv, string]>([
  [
    { KILN_S3_ENDPOINT: 'http://s3' },
    'KILN_S3_BUCKET: got nothing, expected the name of a bucket, because KILN_S3_ENDPOINT is set',
  ],
  [{ KILN_S3_BUCKET: 's3://builds/x' }, 'KILN_S3_BUCKET: got "s3://builds/x", expected the name of a bucket'],
  [{ ...BUCKET, KILN_S3_PREFIX: '/kiln' }, 'KILN_S3_PREFIX: got "/kiln", expected names'],
  [{ ...BUCKET, KILN_S3_PREFIX: 'a/../b' }, 'KILN_S3_PREFIX: got "a/../b", expected names'],
  [{ ...BUCKET, KILN_S3_PREFIX: 'x'.repeat(300) }, 'expected at most 200 characters'],
  [{ ...BUCKET, KILN_S3_ENDPOINT: 's3:9000' }, 'KILN_S3_ENDPOINT: got "s3:9000", expected an http:// or https:// URL'],
  [{ ...BUCKET, KILN_S3_ENDPOINT: 'http://u:p@s3' }, 'expected a URL without user, password'],
  [{ ...BUCKET, KILN_S3_ACCESS_KEY_ID: 'id' }, 'KILN_S3_SECRET_ACCESS_KEY: got nothing, expected a value'],
  [{ ...BUCKET, KILN_S3_SECRET_ACCESS_KEY: 's' }, 'KILN_S3_ACCESS_KEY_ID: got nothing, expected the key'],
  [{ ...HTTPS, KILN_S3_CA_FILE: '/nowhere' }, 'KILN_S3_CA_FILE: got "/nowhere", expected a readable file'],
  [{ ...BUCKET, KILN_S3_CA_FILE: '/nowhere' }, 'expected it to be unset unless KILN_S3_ENDPOINT is an https:// URL'],
])('refuses %j', (env, message) => {
  expect(() => read(env)).toThrow(message);
});

test('refuses a file without certificates', () => {
  expect(() => read({ ...HTTPS, KILN_S3_CA_FILE: file('secret') })).toThrow('expected a file with certificates in PEM');
});
