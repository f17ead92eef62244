import { describe, expect, test } from 'vitest';
import { glob, globs } from './glob.ts';

describe('glob', () => {
  test.each([
    'main',
    '*',
    '**',
    'release/**',
    'v[0-9]*',
    'a/{b,c}/*.{ts,tsx}',
    '!dependabot/**',
    'docs/**/*.md',
    'é?',
    `${'*a'.repeat(120)}b`,
  ])('accepts %s', (pattern) => {
    expect(glob.parse(pattern)).toBe(pattern);
  });

  test.each([
    ['', 'Too small'],
    ['!', 'after !'],
    ['/src', 'leading /'],
    ['src/', 'use src/** for everything below'],
    ['v**', '** as a whole path segment'],
    ['a{**,b}', '** as a whole path segment'],
    ['[a', 'closed'],
    ['{a,{b,c}}', 'not nested'],
    ['{[a],b}', 'not nested'],
    ['a}', 'closed'],
    ['{a,b}'.repeat(7), 'at most 64'],
    ['a\\*', 'without backslash'],
    ['a'.repeat(257), 'Too big'],
  ])('refuses %s', (pattern, message) => {
    expect(glob.safeParse(pattern).error?.issues[0]?.message).toContain(message);
  });
});

test('globs refuses a list in which every pattern excludes', () => {
  expect(globs.safeParse(['!main']).error?.issues[0]?.message).toContain('without !');
});
