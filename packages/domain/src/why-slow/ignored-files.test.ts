import { cpuMs } from '@kiln/runtime/testing';
import { expect, test } from 'vitest';
import type { FileChanges } from './cause.ts';
import { withoutIgnored } from './ignored-files.ts';

const changed = (...paths: string[]): FileChanges => ({
  state: 'differ',
  changes: paths.map((path) => ({ path, change: 'changed' })),
});

test.each([
  ['a', ['a', 'a/b'], ['b/a', 'ab']],
  ['/a/', ['a', 'a/b/c'], ['b/a']],
  ['*.md', ['x.md'], ['a/x.md', 'x.mdx']],
  ['a/*/c', ['a/b/c', 'a/b/c/d'], ['a/c', 'a/b/b/c']],
  ['?.c', ['a.c'], ['aa.c', '/.c']],
  ['**/x', ['x', 'a/x', 'a/b/x', 'a/x/y'], ['a/xx', 'ax']],
  ['a/**', ['a/b', 'a/b/c'], ['b/a']],
  ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['a/xb', 'b']],
  ['**x', ['x', 'ax', 'a/bx'], ['xa']],
  ['**/*.log', ['a.log', 'a/b.log'], ['a.logs']],
  ['+.(x)', ['+.(x)'], ['a.x']],
])('takes the pattern %j to ignore %j, and not %j', (pattern, ignored, others) => {
  const lists = [[pattern], [pattern]];
  expect(withoutIgnored(changed(...ignored), lists)).toEqual({ state: 'same' });
  expect(withoutIgnored(changed(...ignored, ...others), lists)).toEqual(changed(...others));
});

test('lets the last pattern that matches decide, below a directory too', () => {
  const lines = ['# src', '', 'src', '!src/keep', 'src/keep/not', ' !readme.md '];
  const files = changed('src/a', 'src/keep/a', 'src/keep/not/a', 'readme.md');
  expect(withoutIgnored(files, [lines, lines])).toEqual(changed('src/keep/a', 'readme.md'));
});

test('leaves out only what both builds ignored, and nothing if that is not known', () => {
  const files = changed('a', 'b');
  expect(withoutIgnored(files, [['a', 'b'], ['b']])).toEqual(changed('a'));
  for (const lines of [undefined, [], ['[ab]'], ['\\a'], ['../a']])
    expect(withoutIgnored(files, [['a', 'b'], lines])).toEqual(files);
  const cut: FileChanges = { ...files, cut: true } as FileChanges;
  expect(withoutIgnored(cut, [['*'], ['*']])).toEqual({ state: 'differ', changes: [], cut: true });
});

test('gives up within a second on patterns and paths that would take long', async () => {
  const pattern = `${'**/*'.repeat(200)}x`;
  const files = changed(...Array.from({ length: 2_000 }, (_, i) => `${'a/'.repeat(400)}${i}`));
  const taken = await cpuMs(() => expect(withoutIgnored(files, [[pattern], [pattern]])).toEqual(files));
  expect(taken).toBeLessThan(5_000);
});
