import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestAuthority } from '@kiln/buildkit/testing';
import { readEnv } from '@kiln/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { checkNetwork, networkEnv, networkSettings } from './network-env.ts';
import { networkReport, warnOfAuthorities } from './network-report.ts';

const schema = z.object(networkEnv).superRefine((env, ctx) => {
  checkNetwork(env, (name, message) => ctx.addIssue({ code: 'custom', path: [name], message, input: env[name] }));
});
const read = (env: Record<string, string>) => readEnv(schema, env);
const PROXY = 'http://me:s3cret-pass@proxy.example:3128';

let dir: string;
let authority: TestAuthority;
const file = (name: string) => join(dir, name);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-network-'));
  authority = new TestAuthority();
  await writeFile(file('text'), 'no certificate');
  await writeFile(file('damaged'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  await writeFile(file('key'), `${authority.pem}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`);
  await writeFile(file('bad.toml'), 'debug = true\nx = = 1\n');
  await writeFile(file('gc.toml'), '[worker.oci]\ngc = false\n');
  await writeFile(file('good.toml'), 'debug = true\n[worker.oci]\nsnapshotter = "native"\n');
});
afterAll(async () => {
  await authority[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

test('sets and reports nothing by default', () => {
  expect([networkSettings(read({})), networkReport(read({}))]).toEqual([undefined, undefined]);
});

test('reads everything, and reports it without credentials', () => {
  const env = read({
    KILN_REGISTRY_MIRRORS: 'docker.io=m.example:5000, docker.io=n.example/hub,ghcr.io=n.example/ghcr',
    KILN_REGISTRY_PLAIN_HTTP: 'm.example:5000',
    KILN_REGISTRY_INSECURE_SKIP_VERIFY: 'n.example',
    KILN_REGISTRY_CAS: `r.example=${authority.file}`,
    KILN_BUILD_CAS: authority.file,
    KILN_BUILD_HTTPS_PROXY: PROXY,
    KILN_BUILD_NO_PROXY: 'localhost,.corp.example,10.0.0.0/8',
    KILN_BUILD_PROXY_FOR: 'builder',
    KILN_BUILD_DNS: '10.0.0.53,fd00::53',
    KILN_BUILD_DNS_SEARCH: 'corp.example',
    KILN_BUILD_DNS_OPTIONS: 'ndots:2,rotate',
    KILN_MAX_PARALLELISM: '4',
    KILN_BUILD_MEMORY_BYTES: '1000000000',
    KILN_BUILD_CPUS: '1.5',
    KILN_BUILD_PIDS: '2000',
    KILN_BUILDKITD_CONFIG: file('good.toml'),
  });
  const same = {
    dns: { servers: ['10.0.0.53', 'fd00::53'], search: ['corp.example'], options: ['ndots:2', 'rotate'] },
    maxParallelism: 4,
    limits: { memoryBytes: 1e9, cpus: 1.5, pids: 2000 },
  };
  expect(networkSettings(env)).toEqual({
    ...same,
    registries: {
      'docker.io': { mirrors: ['m.example:5000', 'n.example/hub'] },
      'ghcr.io': { mirrors: ['n.example/ghcr'] },
      'm.example:5000': { plainHttp: true },
      'n.example': { insecureSkipVerify: true },
      'r.example': { authorities: [authority.pem] },
    },
    authorities: [authority.pem],
    proxy: { https: PROXY, no: 'localhost,.corp.example,10.0.0.0/8', for: 'builder' },
    config: { table: { debug: true, worker: { oci: { snapshotter: 'native' } } }, files: {} },
  });
  const ca = { subject: 'CN=Test Corp Root, O=Test Corp', expiresAt: expect.stringMatching(/^20..-/) };
  const report = networkReport(env);
  expect(report).toEqual({
    ...same,
    mirrors: { 'docker.io': ['m.example:5000', 'n.example/hub'], 'ghcr.io': ['n.example/ghcr'] },
    plainHttp: ['m.example:5000'],
    insecureSkipVerify: ['n.example'],
    authorities: [ca, { ...ca, registry: 'r.example' }],
    proxy: { https: 'http://***@proxy.example:3128', no: 'localhost,.corp.example,10.0.0.0/8', for: 'builder' },
    configKeys: ['debug', 'worker.oci.snapshotter'],
  });
});

test.each<[string, string | (() => string), string]>([
  ['KILN_REGISTRY_MIRRORS', 'm.example', '"m.example" is not of the form name=value'],
  ['KILN_REGISTRY_MIRRORS', 'docker.io=https://m.example', '"https://m.example" is not a mirror'],
  ['KILN_REGISTRY_MIRRORS', 'docker.io/library=m', '"docker.io/library" is not a registry'],
  ['KILN_REGISTRY_PLAIN_HTTP', 'http://r', '"http://r" is not a registry, such as docker.io'],
  ['KILN_REGISTRY_PLAIN_HTTP', 'r:99999', '"r:99999" is not a registry'],
  ['KILN_REGISTRY_INSECURE_SKIP_VERIFY', 'true x', '"true x" is not a registry'],
  ['KILN_REGISTRY_CAS', '/etc/ca.pem', '"/etc/ca.pem" is not of the form name=value'],
  ['KILN_BUILD_CAS', 'ca.pem', '"ca.pem" is not an absolute path'],
  ['KILN_BUILD_CAS', '/nowhere/ca.pem', '"/nowhere/ca.pem" can’t be read (ENOENT'],
  ['KILN_BUILD_CAS', () => file('text'), 'contains no certificate in PEM'],
  ['KILN_BUILD_CAS', () => file('damaged'), 'contains a damaged certificate, number 1 of 1'],
  ['KILN_BUILD_CAS', () => file('key'), 'contains a private key'],
  ['KILN_BUILD_HTTP_PROXY', 'proxy.example:3128', 'expected the URL of an HTTP proxy'],
  ['KILN_BUILD_HTTP_PROXY', 'socks5://proxy', 'got "socks5://proxy", expected the URL of an HTTP proxy'],
  [
    'KILN_BUILD_HTTPS_PROXY',
    'http://me:s3cret@p/x',
    'got "http://***@p/x", expected the URL of an HTTP proxy without a path',
  ],
  ['KILN_BUILD_NO_PROXY', 'a.example', 'expected it to be unset without KILN_BUILD_HTTP_PROXY'],
  ['KILN_BUILD_PROXY_FOR', 'all', 'got "all", expected both, builds or builder'],
  ['KILN_BUILD_DNS', 'ns.example', '"ns.example" is not an IP address'],
  ['KILN_BUILD_DNS_OPTIONS', 'ndots=2', '"ndots=2" is not an option such as ndots:2'],
  ['KILN_MAX_PARALLELISM', '0', 'got "0", expected a whole number of at least 1'],
  ['KILN_BUILD_MEMORY_BYTES', '4g', 'got "4g", expected a whole number of at least 1'],
  ['KILN_BUILD_CPUS', '0', 'got "0", expected a number of CPUs of at least 0.01'],
  ['KILN_BUILD_CPUS', 'all', 'got "all", expected a number of CPUs such as 2 or 1.5'],
  ['KILN_BUILDKITD_CONFIG', '/nowhere', 'got "/nowhere", expected a readable file (ENOENT'],
  ['KILN_BUILDKITD_CONFIG', () => file('bad.toml'), 'line 2, column 5: invalid value'],
  ['KILN_BUILDKITD_CONFIG', () => file('gc.toml'), 'worker.oci.gc is set by Kiln: set KILN_CACHE_BUDGET_BYTES'],
])('%s refuses %s', (name, value, why) => {
  const text = typeof value === 'string' ? value : value();
  expect(() => read({ [name]: text })).toThrow(why);
  expect(() => read({ [name]: text })).toThrow(`${name}: got `);
  expect(() => read({ [name]: text })).not.toThrow('s3cret');
});

test('refuses certificates of a registry without TLS', () => {
  const env = { KILN_REGISTRY_PLAIN_HTTP: 'r.example', KILN_REGISTRY_CAS: `r.example=${authority.file}` };
  expect(() => read(env)).toThrow('KILN_REGISTRY_CAS: got');
});

test('warns of authorities that have expired or soon will', () => {
  const report = networkReport(read({ KILN_BUILD_CAS: authority.file, KILN_REGISTRY_CAS: `r=${authority.file}` }));
  const warnings = (now: number) => {
    const warned: [object, string][] = [];
    warnOfAuthorities(report, { warn: (fields: object, event: string) => void warned.push([fields, event]) }, now);
    return warned;
  };
  const day = 86_400_000;
  const fields = expect.objectContaining({ subject: 'CN=Test Corp Root, O=Test Corp' });
  expect(warnings(Date.now() + 3 * day)).toEqual([
    [fields, 'certificate authority has expired'],
    [expect.objectContaining({ registry: 'r' }), 'certificate authority has expired'],
  ]);
  expect(warnings(Date.now())[0]).toEqual([fields, 'certificate authority expires soon']);
  expect(warnings(Date.now() - 30 * day)).toEqual([]);
});
