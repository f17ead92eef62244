import { expect, test } from 'vitest';
import { cacheFlags, failedExport, localCacheFlags, s3Env } from './cache-flags.ts';

const registry = { type: 'registry', ref: 'r.io:5000/app:cache' } as const;
const S3 = { type: 's3', bucket: 'b', region: 'eu-1', endpointUrl: 'http://s3:9000', usePathStyle: true } as const;

test('an export never fails the build, and has the form that its registry takes', () => {
  const to = 'type=registry,ref=r.io:5000/app:cache,mode=max';
  const flags = (form: 'index' | 'image' | 'inline') =>
    cacheFlags({ from: [registry], to: [registry] }, (host) => (host === 'r.io:5000' ? form : 'index'));
  expect(flags('index')).toEqual([
    '--cache-from=type=registry,ref=r.io:5000/app:cache',
    `--cache-to=${to},ignore-error=true`,
  ]);
  expect(flags('image')[1]).toBe(`--cache-to=${to},image-manifest=true,oci-mediatypes=true,ignore-error=true`);
  expect(flags('inline')[1]).toBe('--cache-to=type=inline');
  expect(cacheFlags({ from: [], to: [{ ...S3, mode: 'min' }] }, () => 'index')).toEqual([
    '--cache-to=type=s3,bucket=b,region=eu-1,endpoint_url=http://s3:9000,use_path_style=true,mode=min,ignore-error=true',
  ]);
  expect(localCacheFlags({ to: '/new' })).toEqual(['--cache-to=type=local,dest=/new,mode=max,ignore-error=true']);
});

test('only S3 gets credentials', () => {
  const secrets = new Map([
    ['AWS_ACCESS_KEY_ID', 'id'],
    ['AWS_SECRET_ACCESS_KEY', 'key'],
    ['OTHER', 'x'],
  ]);
  expect(s3Env({ from: [S3], to: [] }, secrets)).toEqual(['AWS_ACCESS_KEY_ID=id', 'AWS_SECRET_ACCESS_KEY=key']);
  expect(s3Env({ from: [registry], to: [] }, secrets)).toEqual([]);
});

const put =
  'error writing manifest blob: failed commit on ref "sha256:65d3": unexpected status from PUT request to http://r.io/v2/app/manifests/cache: ';
test.each([
  [`${put}400 Bad Request`, true],
  [`${put}415 Unsupported Media Type`, true],
  [`${put}403 Forbidden`, false],
  [`${put}500 Internal Server Error`, false],
  [
    'error writing layer blob: failed to push: unexpected status from POST request to http://r.io/v2/app/blobs/uploads/: 405 Method Not Allowed',
    false,
  ],
  ['failed to do request: Put "http://r.io/v2/app/manifests/cache": EOF', false],
])('takes %s for a refusal of the form: %s', (error, isRefusal) => {
  const steps = [
    { name: 'importing cache manifest from r.io/app:cache', error: 'not found' },
    { name: 'exporting cache to registry', error },
  ];
  expect(failedExport(steps)).toEqual({ error, isRefusal });
  expect(failedExport(steps.slice(0, 1))).toBeUndefined();
});
