import { buildSpec, cachePlaces } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { unlistedCaches } from './listed-caches.ts';

const HOSTS = ['docker.io', '*.corp.example', '10.1.0.7:5000', 'store.example', 's3.eu-central-1.amazonaws.com'];
const S3 = { type: 's3', bucket: 'caches', region: 'eu-central-1' };

function refused(cache: object, more: object = {}): string | undefined {
  const spec = buildSpec.parse({ source: { type: 'upload', name: 'app' }, secrets: [], cache, ...more });
  return unlistedCaches(HOSTS, spec, cachePlaces(spec, 'trusted', true))?.message;
}
const registry = (ref: string) => ({ type: 'registry', ref });
const got = (field: string, server: string) =>
  `${field}: got the server "${server}", expected one that is listed in the host’s KILN_BUILD_EGRESS`;

test('caches at listed servers are allowed', () => {
  const from = ['app:cache', 'team/app', 'r.corp.example/app:1', 'R.CORP.EXAMPLE:5000/app', '10.1.0.7:5000/app'];
  expect(refused({ from: from.map(registry) })).toBeUndefined();
  expect(refused({ to: [{ ...S3, endpointUrl: 'https://minio.corp.example:9000' }] })).toBeUndefined();
  expect(refused({ to: [{ ...S3, endpointUrl: 'http://10.1.0.7:5000' }] })).toBeUndefined();
  expect(refused({ to: [{ ...S3, usePathStyle: true }] })).toBeUndefined();
  expect(refused({ mode: 'archive' })).toBeUndefined();
});

test.each([
  ['10.1.0.7:5001/app', '10.1.0.7:5001'],
  ['corp.example/app', 'corp.example'],
  ['r.corp.example.evil.test/app', 'r.corp.example.evil.test'],
  ['localhost/docker.io/app', 'localhost'],
  ['ghcr.io/acme/app:cache', 'ghcr.io'],
])('a registry that is not listed is refused, by the name of the field: %s', (ref, server) => {
  expect(refused({ from: [registry('app'), registry(ref)] })).toBe(got('cache.from[1]', server));
  expect(refused({ to: [registry(ref)] })).toBe(got('cache.to[0]', server));
});

test.each([
  [{}, 'caches.s3.eu-central-1.amazonaws.com'],
  [{ region: 'us-east-1' }, 's3.us-east-1.amazonaws.com'],
  [{ region: 'cn-north-1' }, 's3.cn-north-1.amazonaws.com.cn'],
  [{ endpointUrl: 'https://store.example' }, 'caches.store.example'],
  [{ endpointUrl: 'https://evil.test', bucket: 'store.example/' }, 'evil.test'],
  [{ region: 'evil.test/' }, 's3.evil.test/.amazonaws.com'],
])('an S3 server that is not listed is refused: %j', (fields, server) => {
  expect(refused({ to: [{ ...S3, ...fields }] })).toBe(got('cache.to[0]', server));
});

test('the default place of caches is refused by the name of the tag that it comes from', () => {
  const field = 'tags[0], beside which cache.mode registry keeps its caches';
  expect(refused({ mode: 'registry' }, { tags: ['ghcr.io/acme/app:1'] })).toBe(got(field, 'ghcr.io'));
});
