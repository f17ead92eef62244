import { expect, test } from 'vitest';
import { remoteContents } from './remote-contents.ts';

const materials = [
  { uri: 'pkg:docker/debian@1', digest: { sha256: 'aa' } },
  { uri: 'http://x.example.org/data', digest: { sha256: 'bb' } },
  { uri: 'https://x.example.org/y.git#main', digest: { sha1: 'cc' } },
  { uri: 'http://x.example.org/unknown' },
];
const contents = [
  ['pkg:docker/debian@1', 'sha256:aa'],
  ['http://x.example.org/data', 'sha256:bb'],
  ['https://x.example.org/y.git#main', 'sha1:cc'],
];

test.for([
  ['SLSA 0.2', { materials }],
  ['SLSA 1', { buildDefinition: { resolvedDependencies: materials } }],
  ['an in-toto statement', { predicate: { materials } }],
] as const)('reads what URLs returned from a provenance in the form of %s', ([, provenance]) => {
  expect([...remoteContents(JSON.stringify(provenance))]).toEqual(contents);
});

test('finds nothing in what is no provenance', () => {
  for (const text of ['null', '{}', '{"spdxVersion":"SPDX-2.3"}', '[]', '"x"'])
    expect(remoteContents(text).size).toBe(0);
  expect(() => remoteContents('{"materials":[')).toThrow(SyntaxError);
});
