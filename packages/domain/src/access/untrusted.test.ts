import { describe, expect, test } from 'vitest';
import { mayPush, pushPatterns, refusedTo } from './untrusted.ts';

const wanted = (type: 'none' | 'artifact' | 'push' | 'load', ...secrets: string[]) => ({ output: { type }, secrets });

const several = (...types: ('artifact' | 'push' | 'load')[]) => ({
  output: { type: 'several' as const, outputs: types.map((type) => ({ type })) },
  secrets: [],
});

describe('refusedTo', () => {
  test.each([
    [wanted('push', 'npm'), {}, 'secrets'],
    [wanted('none', 'npm', 'b'), { secrets: ['b'] }, 'secrets'],
    [wanted('push'), {}, 'output.type'],
    [wanted('push'), { secrets: ['b'] }, 'output.type'],
    [wanted('load'), { push: true }, 'output.type'],
    [several('artifact', 'push'), {}, 'output.type'],
    [{ ...wanted('none'), entitlements: ['network.host'] }, { push: true }, 'entitlements'],
    [several('push', 'load'), { push: true }, 'output.type'],
  ] as const)('with %j and %j granted refuses %s', (request, granted, field) => {
    expect(refusedTo('untrusted', request, granted)?.field).toBe(field);
    expect(refusedTo('trusted', request)).toBeUndefined();
  });

  test.each([
    [wanted('none'), {}],
    [wanted('artifact'), {}],
    [several('artifact', 'artifact'), {}],
    [several('artifact', 'push'), { push: true }],
    [wanted('push', 'npm'), { push: true, secrets: ['npm'] }],
  ] as const)('with %j and %j granted refuses nothing', (request, granted) => {
    expect(refusedTo('untrusted', request, granted)).toBeUndefined();
  });
});

test('pushPatterns returns the rules of one team and those of all teams', () => {
  const rules = [{ pattern: 'r.example/all/**' }, { team: 'web', pattern: 'r.example/web/*' }];
  expect(pushPatterns(rules, 'web')).toEqual(['r.example/all/**', 'r.example/web/*']);
  expect(pushPatterns(rules, 'ops')).toEqual(['r.example/all/**']);
});

test.each([
  ['r.example/all/app:1', 'r.example/all/**', true],
  ['r.example/all/a/b', 'r.example/all/**', true],
  ['r.example/all', 'r.example/all/**', false],
  ['r.example/all/a/b', 'r.example/all/*', false],
  ['r.example:5000/app', 'r.example:5000/app', true],
  ['r.example/app:5000', 'r.example/app', true],
  ['r.example:5000/app', 'r.example/app', false],
  ['r.example/application', 'r.example/app', false],
  ['evil.example/r.example/all/app', 'r.example/all/**', false],
  // On Docker Hub, whatever registry the pattern names.
  ['previews/app', 'r.example/previews/**', false],
])('mayPush of %s with %s returns %j', (reference, pattern, may) => {
  expect(mayPush(reference, [pattern])).toBe(may);
});
