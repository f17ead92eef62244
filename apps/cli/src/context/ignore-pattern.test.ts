import { describe, expect, it } from 'vitest';
import { matchIgnore } from './ignore-matcher.ts';
import { readIgnoreFile } from './ignore-pattern.ts';

/** As the walk asks: each directory on the way, then the path itself. */
function isIgnored(file: string, path: string): boolean {
  const patterns = readIgnoreFile(file);
  const parts = path.split('/');
  const match = parts.reduce<ReturnType<typeof matchIgnore> | undefined>(
    (parent, _part, i) => matchIgnore(patterns, parts.slice(0, i + 1).join('/'), parent),
    undefined,
  );
  return match?.ignored ?? false;
}

// Each row was tried with docker buildx 0.13.1 against a 26.1 engine.
const CASES: readonly [file: string, path: string, ignored: boolean][] = [
  ['node_modules', 'node_modules/p/index.js', true],
  ['node_modules', 'src/node_modules/q.js', false],
  ['**/node_modules', 'src/node_modules/q.js', true],
  ['**/node_modules', 'node_modules/q.js', true],
  ['*.md', 'README.md', true],
  ['*.md', 'docs/README.md', false],
  ['**/*.md', 'docs/sub/README.md', true],
  ['*/*.md', 'docs/README.md', true],
  ['*/*.md', 'docs/sub/README.md', false],
  ['/src', 'src/a.go', true],
  ['src/', 'src/a.go', true],
  ['./src/../docs', 'docs/a', true],
  ['*\n!src', 'src/a.go', false],
  ['*\n!src', 'b', true],
  ['*\n!src/sub', 'src/sub/b.go', false],
  ['*\n!src/sub', 'src/a.go', true],
  ['!a\na', 'a', true],
  ['docs\n!docs/README.md', 'docs/README.md', false],
  ['docs\n!docs/README.md', 'docs/other', true],
  ['**\n!**/*.go', 'src/sub/b.go', false],
  ['**foo', 'xfoo', true],
  ['**foo', 'src/foo/a', true],
  ['foo**', 'foo/bar/a.go', true],
  ['a?', 'ab', true],
  ['a?', 'abc', false],
  ['?', 'src', false],
  ['[ab]', 'a', true],
  ['[^a]', 'b', true],
  ['x\\[1\\]', 'x[1]/a', true],
  ['x[1]', 'x1/a', true],
  ['x[1]', 'x[1]/a', false],
  ['foo.bar', 'fooxbar', false],
  ['foo+bar', 'foo+bar/a', true],
  ['# a', 'a', false],
  ['  a  ', 'a', true],
  [' #a', '#a', true],
  ['a\r\nb\r\n', 'b', true],
  ['\uFEFFa', 'a', true],
  ['! a', 'a', false],
  ['*\n! a', 'a', false],
  ['deep/**/a.go', 'deep/a.go', true],
  ['deep/**/a.go', 'deep/1/2/3/a.go', true],
  ['.*', '.hidden', true],
  ['*', '.hidden', true],
  ['', 'a', false],
];

describe('.dockerignore', () => {
  it.each(CASES)('with %j, ignores %s: %s', (file, path, ignored) => {
    expect(isIgnored(file, path)).toBe(ignored);
  });

  it('names the line of a malformed pattern', () => {
    expect(() => readIgnoreFile('a\n[b', 'sub/.dockerignore')).toThrow(
      'sub/.dockerignore:2: "[b" is not a valid pattern',
    );
    expect(() => readIgnoreFile('!')).toThrow('.dockerignore:1');
  });
});
