import { expect, test } from 'vitest';
import { contextSources, readsPath, remoteSources } from './copy-sources.ts';

const reads = (sources: string, path: string) => {
  const found = contextSources(`COPY ${sources} /to/`);
  return found && readsPath(found)(path);
};

test.each([
  ['src', 'src/a.c', true],
  ['src', 'srcs/a.c', false],
  ['.', 'any/file', true],
  ['*.c', 'a.c', true],
  ['*.c', 'src/a.c', false],
  ['s*c/?.c', 'src/a.c', true],
  ['s*c/?.c', 'src/ab.c', false],
  ['[a-c]x', 'bx/below', true],
  ['[a-c]x', 'dx', false],
  ['[^a-c]x', 'dx', true],
  ['[^a-c]x', 'bx', false],
  [String.raw`a\*`, 'a*', true],
  [String.raw`a\*`, 'ab', false],
  ['$' + '{DIR}/a.c', 'any/depth/a.c', true],
  ['$' + '{DIR:-$' + '{OTHER}}/a.c', 'src/a.c', true],
  ['$' + '{DIR}/a.c', 'src/b.c', false],
])('COPY %s and %s: %s', (sources, path, expected) => {
  expect(reads(sources, path)).toBe(expected);
});

test('a pattern with many wildcards takes no longer with each one', () => {
  expect(reads('*a'.repeat(60), `${'a'.repeat(4_000)}b`)).toBe(false);
});

test.each([
  ['ADD http://x.io/a /a', ['http://x.io/a']],
  [
    'ADD --checksum=sha256:00 --chown=1:1 lock.txt https://x.io/a https://x.io/b /to/',
    ['https://x.io/a', 'https://x.io/b'],
  ],
  ['ADD ["https://x.io/a b", "/a"]', ['https://x.io/a b']],
  ['add git@x.io:me/app.git#main /app', ['git@x.io:me/app.git#main']],
  ['ADD files /http://x.io/a', []],
  ['RUN curl http://x.io/a -o /a', []],
])('the URLs in %s', (instruction, urls) => {
  expect(remoteSources(instruction)).toEqual(urls);
});
