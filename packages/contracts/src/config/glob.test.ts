import { describe, expect, it } from 'vitest';
import { expandBraces, glob, globs } from './glob.ts';

describe('patterns', () => {
  it.each(['main', '*', '**', 'release/**', 'v[0-9]*', 'a/{b,c}/*.{ts,tsx}', '!dependabot/**', 'docs/**/*.md', 'é?'])(
    '%s is one',
    (pattern) => {
      expect(glob.parse(pattern)).toBe(pattern);
    },
  );

  it.each([
    ['', 'Too small'],
    ['!', 'after !'],
    ['/src', 'leading /'],
    ['src/', 'src/** for all that is below it'],
    ['v**', '** alone between slashes'],
    ['a{**,b}', '** alone between slashes'],
    ['[a', 'closed'],
    ['{a,{b,c}}', 'not inside one another'],
    ['{[a],b}', 'not inside one another'],
    ['a}', 'closed'],
    ['{a,b}'.repeat(7), 'at most 64'],
    ['a\\*', 'without backslash'],
    ['a'.repeat(257), 'Too big'],
  ])('%s is refused', (pattern, message) => {
    expect(glob.safeParse(pattern).error?.issues[0]?.message).toContain(message);
  });

  it('a list needs something to take back from', () => {
    expect(globs.safeParse(['!main']).error?.issues[0]?.message).toContain('without !');
  });

  it('braces make one pattern for each combination', () => {
    expect(expandBraces('a{b,c}d{,e}')).toEqual(['abd', 'abde', 'acd', 'acde']);
  });
});
