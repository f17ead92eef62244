import { expect, it } from 'vitest';
import { givenContexts } from './context-flag.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

it.each([
  ['lib=../lib', { directory: '/repo/lib' }],
  ['lib=/abs', { directory: '/abs' }],
  [
    'alpine:3=docker-image://r.io:5000/alpine:3',
    { name: 'alpine:3', from: { type: 'image', ref: 'r.io:5000/alpine:3' } },
  ],
  ['lib=oci-layout://l', { directory: '/repo/app/l', image: ':latest' }],
  ['lib=oci-layout:///abs/l:v1', { directory: '/abs/l', image: ':v1' }],
  [`lib=oci-layout://l@${DIGEST}`, { directory: '/repo/app/l', image: `@${DIGEST}` }],
  ['lib=https://x.io/a.git#main:sub', { from: { type: 'git', url: 'https://x.io/a.git', ref: 'main', subdir: 'sub' } }],
  ['lib=github.com/acme/lib', { from: { type: 'git', url: 'https://github.com/acme/lib' } }],
])('reads %s', (value, expected) => {
  expect(givenContexts([value], '/repo/app')).toEqual([{ name: 'lib', ...expected }]);
});

it('takes the last of several contexts of a name', () => {
  expect(givenContexts(['a=1', 'b=2', 'a=3'], '/')).toEqual([
    { name: 'a', directory: '/3' },
    { name: 'b', directory: '/2' },
  ]);
});

it.each([
  ['lib', /--build-context: got lib, expected NAME=VALUE|--build-context.*"lib"/],
  ['=dir', /expected NAME=VALUE/],
  ['lib=', /expected NAME=VALUE/],
  ['lib=-', /expected NAME=VALUE/],
  ['lib=target:base', /links the targets of a bake file/],
  ['lib=git@github.com:acme/lib.git', /only https:\/\/ is supported/],
  ['lib=https://x.io/a.tar.gz', /building from a remote file is not supported/],
])('refuses %s', (value, expected) => {
  expect(() => givenContexts([value], '/')).toThrow(expected);
});
