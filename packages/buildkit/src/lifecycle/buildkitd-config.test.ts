import { parse } from 'smol-toml';
import { expect, test } from 'vitest';
import type { BuilderSettings } from '../settings/builder-settings.ts';
import { parseExtraConfig } from '../settings/extra-config.ts';
import { buildkitdConfig } from './buildkitd-config.ts';

const fileOf = { pem: (text: string) => `/own/${text}`, path: (path: string) => `/own${path}` };
const of = (settings: BuilderSettings, frontends: 'any' | string[] = 'any', cacheBudgetBytes = 10_000.5) =>
  parse(buildkitdConfig({ cacheBudgetBytes, settings, frontends, fileOf }));
const extra = (text: string): BuilderSettings => ({ config: parseExtraConfig(text, (path) => `content of ${path}`) });

test('limits all caches to a little more than the budget, within which Kiln evicts, and lets only sources expire', () => {
  const all = { keepBytes: 11_000, reservedSpace: 11_000, maxUsedSpace: 11_000 };
  const sources = { keepBytes: 1_100, reservedSpace: 1_100, maxUsedSpace: 1_100 };
  expect(of({})).toEqual({
    worker: {
      oci: {
        gc: true,
        gcpolicy: [{ filters: ['type==source.local'], keepDuration: 172_800, ...sources }, all, { all: true, ...all }],
      },
    },
  });
});

test('grants the listed entitlements', () => {
  const config = { cacheBudgetBytes: 1, frontends: 'any' as const, settings: {}, fileOf };
  expect(parse(buildkitdConfig({ ...config, entitlements: ['network.host'] }))).toMatchObject({
    'insecure-entitlements': ['network.host'],
  });
  expect(parse(buildkitdConfig(config))).not.toHaveProperty('insecure-entitlements');
});

test('allows only the listed frontends, and disables them all for an empty list', () => {
  expect(of({}, ['docker.io/docker/dockerfile', 'r.example/f']).frontend).toEqual({
    'gateway.v0': { enabled: true, allowedRepositories: ['docker.io/docker/dockerfile', 'r.example/f'] },
  });
  expect(of({}, []).frontend).toEqual({ 'gateway.v0': { enabled: false } });
});

test('writes registries, DNS, parallelism, and the group of limited steps', () => {
  const config = of({
    registries: {
      'docker.io': { mirrors: ['a.example:5000', 'b.example/hub'] },
      'a.example:5000': { plainHttp: true },
      'r.example': { insecureSkipVerify: true, authorities: ['PEM'] },
    },
    dns: { servers: ['10.0.0.53'], search: ['corp.example'], options: ['ndots:2'] },
    maxParallelism: 3,
    limits: { pids: 100 },
  });
  expect(config.registry).toEqual({
    'docker.io': { mirrors: ['a.example:5000', 'b.example/hub'] },
    'a.example:5000': { http: true },
    'r.example': { insecure: true, ca: ['/own/PEM'] },
  });
  expect(config.dns).toEqual({ nameservers: ['10.0.0.53'], searchDomains: ['corp.example'], options: ['ndots:2'] });
  expect(config.worker).toMatchObject({ oci: { 'max-parallelism': 3, defaultCgroupParent: 'kiln-steps' } });
});

test('adds an additional configuration to its own, with copies of the files that it names', () => {
  const text = `
debug = true
[worker.oci]
snapshotter = "overlayfs"
[registry."r.example"]
ca = ["/etc/r.pem"]
[[registry."r.example".keypair]]
key = "/etc/key.pem"
cert = "/etc/cert.pem"
`;
  const settings = extra(text);
  expect(settings.config?.files).toEqual({
    '/etc/r.pem': 'content of /etc/r.pem',
    '/etc/key.pem': 'content of /etc/key.pem',
    '/etc/cert.pem': 'content of /etc/cert.pem',
  });
  expect(of({ ...settings, registries: { 'r.example': { mirrors: ['m.example'] } } })).toMatchObject({
    debug: true,
    worker: { oci: { gc: true, snapshotter: 'overlayfs' } },
    registry: {
      'r.example': {
        mirrors: ['m.example'],
        ca: ['/own/etc/r.pem'],
        keypair: [{ key: '/own/etc/key.pem', cert: '/own/etc/cert.pem' }],
      },
    },
  });
});

test('refuses a key that a setting of Kiln has set, by the names of both', () => {
  const settings = {
    ...extra('[registry."docker.io"]\nmirrors = ["x"]'),
    registries: { 'docker.io': { mirrors: ['y'] } },
  };
  expect(() => of(settings)).toThrow('registry."docker.io".mirrors is set by Kiln: by KILN_REGISTRY_MIRRORS');
  expect(() => of({ ...extra('[worker.oci]\nmax-parallelism = 1'), maxParallelism: 2 })).toThrow(
    'worker.oci.max-parallelism is set by Kiln: by KILN_MAX_PARALLELISM',
  );
});

test.each([
  ['a = 1\nb = = 2', 'line 2, column 5: invalid value'],
  ['[worker.oci]\ngc = false', 'worker.oci.gc is set by Kiln: set KILN_CACHE_BUDGET_BYTES'],
  ['[[worker.oci.gcpolicy]]\nall = true', 'worker.oci.gcpolicy is set by Kiln'],
  ['root = "/x"', 'root is set by Kiln'],
  ['[grpc]\naddress = ["tcp://0.0.0.0:1234"]', 'grpc is set by Kiln'],
  ['[frontend."gateway.v0"]\nenabled = true', 'frontend."gateway.v0" is set by Kiln: set KILN_FRONTENDS'],
  ['[worker.containerd]\nenabled = true', 'worker.containerd is set by Kiln'],
  ['registry = 1', 'registry: expected tables'],
  ['[registry]\n"docker.io" = 1', 'registry."docker.io": expected a table'],
  ['[registry."r"]\nca = "/x"', 'registry.r.ca: expected a list of paths'],
  ['[registry."r"]\nca = ["x"]', 'got the file x, expected an absolute path'],
  ['[registry."r"]\nkeypair = [{key = "/k"}]', 'registry.r.keypair: expected a list of tables with key and cert'],
  ['[registry."r"]\ntlsconfigdir = ["/x"]', 'registry.r.tlsconfigdir can’t be used'],
])('refuses the additional configuration %j', (text, why) => {
  expect(() => extra(text)).toThrow(why);
});

test('refuses an additional configuration that names an unreadable file', () => {
  const missing = () => {
    throw new Error('ENOENT');
  };
  expect(() => parseExtraConfig('[registry."r"]\nca = ["/x"]', missing)).toThrow(
    'got the file /x, expected a readable file (ENOENT)',
  );
});
