import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wildcardMatches } from './wildcards.ts';

describe('wildcardMatches', () => {
  test.each([
    ['acme/app', 'acme/app', true],
    ['acme/app', 'acme/app2', false],
    ['acme/*', 'acme/app', true],
    ['acme/*', 'acme/', true],
    ['acme/*', 'acme/app/x', false],
    ['acme/*', 'acmes/app', false],
    ['acme/*', 'evil/acme/app', false],
    ['refs/heads/release/**', 'refs/heads/release/1/2', true],
    ['**', '', true],
    ['*', 'a/b', false],
    ['*-prod', 'web-prod', true],
    ['a.c', 'abc', false],
    ['a[b]?', 'a[b]?', true],
    ['repo:acme/*:ref:refs/heads/main', 'repo:acme/app:ref:refs/heads/main', true],
    ['repo:acme/*:ref:refs/heads/main', 'repo:acme/app:pull_request', false],
    ['*', '\n', true],
    ['**', 'x'.repeat(3_000), false],
  ])('with %s and %j returns %s', (pattern, text, matches) => {
    expect(wildcardMatches(pattern, text)).toBe(matches);
  });

  test('compares a pattern without stars literally, and matches anything with **', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        if (!a.includes('*')) expect(wildcardMatches(a, b)).toBe(a === b);
        expect(wildcardMatches('**', b)).toBe(true);
      }),
    );
  });

  test('soon returns false for a pattern of many stars', () => {
    expect(wildcardMatches(`${'*a'.repeat(200)}b`, 'a'.repeat(2_000))).toBe(false);
  });
});
