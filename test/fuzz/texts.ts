import fc from 'fast-check';
import { garbled } from './mutate.ts';

const RAW = [
  'GET / HTTP/1.1\r\nHost: k\r\n\r\n',
  'POST /v1/builds HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer an-admin-token\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
  'POST /v1/builds HTTP/1.1\r\nHost: k\r\nAuthorization: Bearer an-admin-token\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
  'POST /v1/builds HTTP/1.1\r\nHost: k\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
] as const;

/** Bytes on a connection that are nearly HTTP, or random. */
export const raw: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(...RAW)
      .chain(garbled)
      .map((text) => Buffer.from(text, 'latin1')),
  },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
);

export const CONFIG = `version: 1
on:
  push: { branches: [main, 'release/**'], tags: ['v*'] }
  pull_request: { branches: [main], forks: untrusted }
images:
  - name: api
    context: services/api
    paths: ['services/api/**']
    paths-ignore: ['**/*.md']
    buildArgs: { NODE_VERSION: '24' }
    tags: ['registry.example.org/team/api:{branch}', 'registry.example.org/team/api:pr-{pr}']
    platforms: [linux/amd64]
    output: push
    secrets: [NPM_TOKEN, { id: key, name: SIGNING_KEY }]
`;

/** A `.kiln.yaml`: nearly valid, any value as YAML, or any text. */
export const kilnYaml: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: garbled(CONFIG) },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value, undefined, 1)) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
);
