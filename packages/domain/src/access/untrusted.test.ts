import { describe, expect, test } from 'vitest';
import { mayPush, pushPatterns, refusedTo } from './untrusted.ts';

const wanted = (type: 'none' | 'artifact' | 'push' | 'load', ...secrets: string[]) => ({ output: { type }, secrets });

describe('what an untrusted build may not have', () => {
  test.each([
    [wanted('push', 'npm'), {}, 'secrets'],
    [wanted('none', 'npm', 'b'), { secrets: ['b'] }, 'secrets'],
    [wanted('push'), {}, 'output.type'],
    [wanted('push'), { secrets: ['b'] }, 'output.type'],
    [wanted('load'), { push: true }, 'output.type'],
  ] as const)('%j, granted %j: %s', (wish, granted, field) => {
    expect(refusedTo('untrusted', wish, granted)?.field).toBe(field);
    expect(refusedTo('trusted', wish)).toBeUndefined();
  });

  test.each([
    [wanted('none'), {}],
    [wanted('artifact'), {}],
    [wanted('push', 'npm'), { push: true, secrets: ['npm'] }],
  ] as const)('%j, granted %j: nothing is refused', (wish, granted) => {
    expect(refusedTo('untrusted', wish, granted)).toBeUndefined();
  });
});

test('a rule is of one team, or of all', () => {
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
  // Docker Hub's own, whatever registry the pattern names.
  ['previews/app', 'r.example/previews/**', false],
])('%s by %s: %j', (reference, pattern, may) => {
  expect(mayPush(reference, [pattern])).toBe(may);
});
