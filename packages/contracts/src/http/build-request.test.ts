import { cpuMs } from '@kiln/runtime/testing';
import { expect, test } from 'vitest';
import { buildRequest, buildSpec } from './build-request.ts';
import { fieldProblems } from './problem.ts';

const SOURCE = { type: 'upload', name: 'app' } as const;

const REFUSED: [fields: object, field: string, got: string | undefined, expected: string][] = [
  [{ supersede: 'queued' }, 'concurrencyKey', 'nothing', 'a key, because supersede is given'],
  [{ concurrencyKey: 'main' }, 'supersede', 'nothing', '"queued" or "running", because concurrencyKey is given'],
  [{ concurrencyKey: 'main', supersede: 'all' }, 'supersede', '"all"', '"queued" or "running"'],
  [{ dedupe: 'yes' }, 'dedupe', '"yes"', 'boolean'],
  [
    ...[{ noCache: true, noCacheFilter: ['a'] }, 'noCacheFilter', '["a"]'],
    'no stages, because noCache is set and covers all',
  ] as [object, string, string, string],
  ...([
    [
      { call: { method: 'check' }, output: { type: 'load' } },
      'output.type',
      '"load"',
      '"none", because call is given, which builds nothing',
    ],
    [{ output: { type: 'push' } }, 'tags', 'nothing', 'at least one tag, because output.type is push'],
    [
      { output: { type: 'artifact', format: 'docker' }, platforms: ['linux/amd64', 'linux/arm64'] },
      'platforms',
      '["linux/amd64","linux/arm64"]',
      'one platform, because a docker archive contains only one; an OCI archive can contain several',
    ],
    [{ output: { type: 'push', names: ['b'] }, tags: ['a'] }, 'output.names', '["b"]', 'only names that are in tags'],
    [
      {
        output: {
          type: 'several',
          outputs: [
            { type: 'push', names: ['a'] },
            { type: 'artifact', format: 'oci' },
          ],
        },
        tags: ['a'],
      },
      'output.outputs[1].names',
      'nothing',
      'names, because another output has some',
    ],
    [{ binarySecrets: ['a'] }, 'binarySecrets[0]', '"a"', 'an id in secrets'],
  ] as [object, string, string, string][]),
  [{ noCacheFilter: ['a,b'] }, 'noCacheFilter[0]', '"a,b"', 'the name of a stage'],
  [{ extraHosts: [{ host: 'db', ip: 'db2' }] }, 'extraHosts[0].ip', '"db2"', 'an IP address'],
  [{ extraHosts: [{ host: 'a b', ip: '::1' }] }, 'extraHosts[0].host', '"a b"', 'a host name'],
  ...['foo:k=v', 'k', '=v', 'index,foo:k=v', 'manifest[:k=v'].map((annotation): [object, string, string, string] => [
    { annotations: [annotation] },
    'annotations[0]',
    JSON.stringify(annotation),
    '[LEVEL[,LEVEL]:]KEY=VALUE, where LEVEL is manifest, index, manifest-descriptor, index-descriptor, with [PLATFORM] if needed',
  ]),
];
const BAD_KEYS = ['', 'a b', 'a\nb', 'a\u0000', 'x'.repeat(256)];

test.each(REFUSED)('refuses %j', (fields, field, got, expected) => {
  expect(problemsOf(fields)).toEqual([{ field, got, expected }]);
});

test.each(BAD_KEYS)('refuses the concurrency key %j', (concurrencyKey) => {
  const expected = '1 to 255 characters without white space or control characters';
  expect(problemsOf({ concurrencyKey, supersede: 'queued' })).toMatchObject([{ field: 'concurrencyKey', expected }]);
});

function problemsOf(fields: object) {
  const request = { source: SOURCE, ...fields };
  const { error } = buildRequest.safeParse(request);
  return error && fieldProblems(error, request);
}

test('accepts a concurrency key in any language', () => {
  const keyed = { source: SOURCE, concurrencyKey: 'acme/app#bücher/größe', supersede: 'running' };
  expect(buildRequest.parse(keyed)).toMatchObject({ concurrencyKey: 'acme/app#bücher/größe', dedupe: false });
});

test.each(['mode=max', 'mode=min,inline-only=true', 'mode=max,builder-id=https://ci.example/run?a=b'])(
  'accepts the attestation %s',
  (provenance) => {
    expect(buildRequest.parse({ source: SOURCE, provenance })).toMatchObject({ provenance });
  },
);

test.each([
  `${'a=,'.repeat(38)}a`,
  `a=${'a=,'.repeat(38)} `,
  `mode=${'x,a='.repeat(1_000_000)}\n`,
  `registry.example/${'a-'.repeat(1_000_000)}`,
])('soon refuses an attestation or tag that could be parsed in many ways', async (text) => {
  const refused = () => expect(problemsOf({ provenance: text, sbom: text, tags: [text] })).toBeDefined();
  expect(await cpuMs(refused)).toBeLessThan(1_000);
});

test('accepts image references with optional registry and tag as tags, and refuses anything else', () => {
  const good = 'a a:1 a/b R.example:5000/a/b-c__d.e:V_1.x localhost/a r-1.example/a A/b a:1/b 127.0.0.1:5000/a'.split(
    ' ',
  );
  const bad = ['', ...'A a: a:1:2 a/B /a a/ a//b -a a- a..b a/b:c/d r_x:1/a -r/a r./a r:123456/a a:.x'.split(' ')];
  expect(good.filter((tag) => problemsOf({ tags: [tag] }))).toEqual([]);
  expect(bad.filter((tag) => !problemsOf({ tags: [tag] }))).toEqual([]);
});

const LOGIN = { registry: 'r.example:5000', username: 'ada', password: 'hunter22' };
const ONE_OF = 'username and password, or identityToken, or registryToken';
const HOST = 'host[:port] as in an image reference, without scheme and path';
const BAD_LOGINS: [registryLogins: unknown, field: string, expected: string][] = [
  [[{ ...LOGIN, registry: 'https://r.example' }], '[0].registry', HOST],
  [[LOGIN, { ...LOGIN, registry: 'r' }], '[1].registry', HOST],
  [[LOGIN, LOGIN], '[1].registry', 'a registry that no other login of the build is for'],
  [[{ registry: 'r.example' }], '[0]', ONE_OF],
  [[{ ...LOGIN, identityToken: 'hunter22' }], '[0]', ONE_OF],
  [[{ registry: 'r.example', username: 'ada' }], '[0].password', 'a password, because username is given'],
  [[{ registry: 'r.example', password: 'hunter22' }], '[0].username', 'a user name, because password is given'],
  [[{ registry: 'r.example', registryToken: 'hunter 22' }], '[0].registryToken', '1 to 65536 visible ASCII characters'],
  [[{ ...LOGIN, auth: 'hunter22' }], '[0].auth', 'no such field'],
  [Array.from({ length: 65 }, (_, i) => ({ ...LOGIN, registry: `r${i}.example` })), '', 'at most 64 items'],
];

test.each(BAD_LOGINS)(
  'refuses the registry logins %#, names the field and shows no value',
  (registryLogins, field, expected) => {
    const problems = problemsOf({ registryLogins });
    expect(problems).toMatchObject([{ field: `registryLogins${field}`, expected }]);
    expect(JSON.stringify(problems)).not.toContain('hunter');
  },
);

test('accepts logins by password and by token, and keeps none in what is stored of a request', () => {
  const registryLogins = [
    { ...LOGIN, registry: 'docker.io' },
    { registry: 'localhost:5000', identityToken: 'hunter22' },
    { registry: '[::1]:5000', registryToken: 'hunter22' },
  ];
  expect(buildRequest.parse({ source: SOURCE, registryLogins }).registryLogins).toEqual(registryLogins);
  expect(Object.keys(buildSpec.shape)).not.toContain('registryLogins');
});

test.each([
  [{ secrets: { a: 'not-base64' }, binarySecrets: ['a'] }, 'base64, because binarySecrets has the id'],
  [{ secrets: { a: 'x'.repeat(500 * 1024 + 1) } }, 'at most 512000 bytes'],
])('refuses the value of a secret without showing it', (fields, expected) => {
  const problems = problemsOf(fields);
  expect(problems).toMatchObject([{ field: 'secrets.a', expected }]);
  expect(JSON.stringify(problems)).not.toMatch(/not-base64|xxx/);
});

test('takes 500 kB of any bytes as a secret', () => {
  const secrets = { a: Buffer.alloc(500 * 1024, 0xff).toString('base64') };
  expect(problemsOf({ secrets, binarySecrets: ['a'] })).toBeUndefined();
});
