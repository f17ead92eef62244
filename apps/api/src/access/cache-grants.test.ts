import { type BuildCache, buildRequest } from '@kiln/contracts';
import { expect, test } from 'vitest';
import { ApiProblem } from '../http/api-problem.ts';
import { grantTo } from './admit-request.ts';

const RULES = [{ pattern: 'r.io/previews/**' }];
const CACHE = { type: 'registry', ref: 'r.io/previews/app:cache' } as const;

function grant(to: BuildCache['to'], trust: 'trusted' | 'untrusted' = 'untrusted', rules = RULES) {
  const { secrets: _, ...request } = buildRequest.parse({ source: { type: 'upload', name: 'app' }, cache: { to } });
  return grantTo({ ...request, secrets: [] }, trust, rules);
}

function refusal(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error instanceof ApiProblem ? [error.code, ...error.errors] : error;
  }
  return undefined;
}

test('an untrusted build may push a further target only where it may push', () => {
  const source = { type: 'upload', name: 'app', digest: `sha256:${'a'.repeat(64)}` };
  const grantOf = (tag: string, rules = RULES) => {
    const base = { source, output: { type: 'push' }, tags: [tag] };
    return grantTo(buildRequest.parse({ source, bake: { name: 'app', targets: { base } } }), 'untrusted', rules);
  };
  expect(grantOf('r.io/previews/app:1')).toEqual({ push: true });
  expect(refusal(() => grantOf('r.io/app:1'))).toMatchObject([
    'forbidden',
    { field: 'bake.targets.base.tags[0]', got: '"r.io/app:1"' },
  ]);
  expect(refusal(() => grantOf('r.io/app:1', []))).toMatchObject([
    'forbidden',
    { field: 'bake.targets.base.output.type', got: '"push"' },
  ]);
});

test('an untrusted build may export caches only where it may push', () => {
  expect(grant([CACHE])).toEqual({ push: true });
  expect(grant([CACHE], 'trusted')).toBeUndefined();
  expect(grant([])).toBeUndefined();
  const expected = 'a reference that matches r.io/previews/**, since the build is untrusted';
  expect(refusal(() => grant([CACHE, { type: 'registry', ref: 'r.io/app:cache' }]))).toEqual([
    'forbidden',
    { field: 'cache.to[1].ref', got: '"r.io/app:cache"', expected },
  ]);
  expect(refusal(() => grant([{ type: 's3', bucket: 'b', region: 'r' }]))).toEqual([
    'forbidden',
    { field: 'cache.to[0].type', got: '"s3"', expected },
  ]);
  expect(refusal(() => grant([CACHE], 'untrusted', []))).toMatchObject([
    'forbidden',
    { expected: 'no caches to export, since the build is untrusted' },
  ]);
});
