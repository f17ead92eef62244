import fc from 'fast-check';
import picomatch from 'picomatch';
import { describe, expect, test } from 'vitest';
import { expandBraces, matchGlob, matchGlobs } from './glob.ts';

describe('matchGlob', () => {
  test.each([
    ['main', 'main', true],
    ['main', 'maint', false],
    ['*', 'main', true],
    ['*', 'feature/x', false],
    ['**', 'feature/x', true],
    ['release/**', 'release/1/2', true],
    ['release/**', 'release', false],
    ['**/*.md', 'README.md', true],
    ['**/*.md', 'docs/a/b.md', true],
    ['docs/**/x', 'docs/x', true],
    ['v[0-9]*', 'v1.2', true],
    ['v[!0-9]*', 'v1.2', false],
    ['*.{ts,tsx}', 'app.tsx', true],
    ['services/{api,web}/**', 'services/web/a', true],
    ['?', 'é', true],
    ['.github/*', '.github/x', true],
    ['*', '.env', true],
    ['a*b*c', 'aXbXbc', true],
    ['[a-]', '-', true],
  ])('with %s and %s returns %s', (pattern, text, expected) => {
    expect(matchGlob(pattern, text)).toBe(expected);
  });

  test('agrees with picomatch', () => {
    const piece = fc.constantFrom('a', 'b', 'ab', '*', '?', 'a*', '*b', '**', '[ab]', '[!a]', '{a,b}', '{a,ab}*');
    const pattern = fc.array(piece, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
    const text = fc
      .array(fc.stringMatching(/^[abc.]{1,3}$/), { minLength: 1, maxLength: 5 })
      .filter((parts) => !parts.some((part) => part === '.' || part === '..'))
      .map((parts) => parts.join('/'));
    fc.assert(
      fc.property(pattern, text, (pattern, text) => {
        // For picomatch `a/**` matches `a` too, which would be surprising for branches. Here it matches only what is below `a`.
        const oracle = pattern.endsWith('/**') ? `${pattern}/*` : pattern;
        expect(matchGlob(pattern, text)).toBe(picomatch.isMatch(text, oracle.replaceAll('[!', '[^'), { dot: true }));
      }),
      { numRuns: 2_000 },
    );
  });

  test('soon returns false for a pattern that would keep a regular expression busy forever', () => {
    const pattern = `${'*a'.repeat(120)}b`;
    expect(matchGlob(pattern, 'a'.repeat(4_000))).toBe(false);
    expect(matchGlob(`${'**/a/'.repeat(50)}b`, 'a/'.repeat(2_000))).toBe(false);
  });
});

describe('matchGlobs', () => {
  test('lets the last pattern that matches decide', () => {
    const list = ['**', '!dependabot/**', 'dependabot/docker/**'];
    expect(matchGlobs(list, 'main')).toEqual({ matches: true, by: '**' });
    expect(matchGlobs(list, 'dependabot/npm/x')).toEqual({ matches: false, by: '!dependabot/**' });
    expect(matchGlobs(list, 'dependabot/docker/x')).toEqual({ matches: true, by: 'dependabot/docker/**' });
    expect(matchGlobs(['a'], 'b')).toEqual({ matches: false });
  });
});

test('expandBraces returns one pattern for each combination', () => {
  expect(expandBraces('a{b,c}d{,e}')).toEqual(['abd', 'abde', 'acd', 'acde']);
});
