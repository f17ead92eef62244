import { expect, test } from 'vitest';
import { buildRequest } from '../http/build-request.ts';
import { fieldProblems } from '../http/problem.ts';
import { buildCache, cachePlaces } from './build-cache.ts';

const ref = (text: string) => ({ type: 'registry' as const, ref: text });
const S3 = { type: 's3' as const, bucket: 'b', region: 'r' };

function problemsOf(cache: unknown, more: object = {}): string[] {
  const input = { source: { type: 'upload', name: 'app' }, cache, ...more };
  const { error } = buildRequest.safeParse(input);
  return error
    ? fieldProblems(error, input).map(({ field, got, expected }) => `${field}: got ${got}, expected ${expected}`)
    : [];
}

test.each([
  [{ mode: 'hot' }, 'cache.mode: got "hot", expected "warm" or "registry" or "archive" or "fresh"'],
  [
    { to: [ref('r.io/App')] },
    'cache.to[0].ref: got "r.io/App", expected an image reference [registry[:port]/]name[:tag], the name in lower case',
  ],
  [{ to: [ref('r.io/a,ref=r.io/b')] }, 'cache.to[0].ref: got "r.io/a,ref=r.io/b"'],
  [{ from: [{ type: 'gha' }] }, 'cache.from[0].type: got "gha", expected "registry" or "s3"'],
  [{ from: [{ ...S3, bucket: 'b,x=y' }] }, 'cache.from[0].bucket: got "b,x=y", expected the name of a bucket'],
  [{ from: [{ ...S3, endpointUrl: 'https://u:p@s3' }] }, 'cache.from[0].endpointUrl'],
  [
    { mode: 'archive', from: [ref('a')] },
    'cache.from: got [{"type":"registry","ref":"a"}], expected no locations, because cache.mode is archive',
  ],
  [{ mode: 'fresh', to: [] }, 'cache.to: got [], expected no locations, because cache.mode is fresh'],
  [{ key: 'x' }, 'cache.key: got "x", expected nothing, because cache.mode is warm'],
  [
    { mode: 'registry' },
    'cache.to: got nothing, expected a registry reference, because cache.mode is registry and the build has no tag',
  ],
  [{ size: 1 }, 'cache.size: got 1, expected no such field'],
])('refuses %j', (cache, message) => {
  expect(problemsOf(cache).join('\n')).toContain(message);
});

test('accepts what a mode needs', () => {
  expect(problemsOf({})).toEqual([]);
  expect(problemsOf({ mode: 'registry' }, { tags: ['r.io/app:1'] })).toEqual([]);
  expect(problemsOf({ mode: 'registry', from: [S3] })).toEqual([]);
  expect(problemsOf({ mode: 'archive', key: 'main', fallbackKeys: ['dev'] })).toEqual([]);
});

const push = { output: { type: 'push' as const }, tags: ['r.io/app:1'] };
const places = (
  cache: object,
  trust: 'trusted' | 'untrusted' = 'trusted',
  mayPush = false,
  of: Parameters<typeof cachePlaces>[0] = push,
) => cachePlaces({ cache: buildCache.parse(cache), ...of }, trust, mayPush);

test('registry keeps its caches beside the first tag by default, and exports them only if the build is pushed', () => {
  const own = ref('r.io/app:kiln-cache');
  expect(places({ mode: 'registry' })).toEqual({ from: [own], to: [own] });
  expect(places({ mode: 'registry' }, 'trusted', false, { ...push, output: { type: 'none' } })).toEqual({
    from: [own],
    to: [],
  });
  expect(places({ mode: 'registry', to: [ref('c')] })).toEqual({ from: [ref('c')], to: [ref('c')] });
  expect(places({ mode: 'registry', from: [ref('c')] })).toEqual({ from: [ref('c')], to: [] });
  expect(places({ from: [ref('c')], to: [S3] })).toEqual({ from: [ref('c')], to: [S3] });
  expect(places({ mode: 'archive' })).toEqual({ from: [], to: [] });
});

test('an untrusted build never writes what a trusted one reads, and writes nothing if it may not push', () => {
  const own = ref('r.io/app:kiln-cache-untrusted');
  expect(places({ mode: 'registry' }, 'untrusted')).toEqual({ from: [own], to: [] });
  expect(places({ mode: 'registry' }, 'untrusted', true)).toEqual({ from: [own], to: [own] });
  const given = { from: [ref('r.io/c:x')], to: [ref('r.io/c:x'), S3] };
  expect(places(given, 'untrusted')).toEqual({ from: [ref('r.io/c:x-untrusted'), ref('r.io/c:x')], to: [] });
  expect(places(given, 'untrusted', true).to).toEqual([ref('r.io/c:x-untrusted')]);
  const long = ref(`r.io/c:${'t'.repeat(128)}`);
  expect(places({ to: [long] }, 'untrusted', true).to).toEqual([ref(`r.io/c:${'t'.repeat(118)}-untrusted`)]);
});
