import { expect, test } from 'vitest';
import type { BuilderSettings } from './builder-settings.ts';
import { checkEngine, EngineDiffers, type EngineInfo } from './check-engine.ts';

const ENGINE: EngineInfo = {
  RegistryConfig: {
    Mirrors: ['https://mirror.example/'],
    InsecureRegistryCIDRs: ['127.0.0.0/8', '::1/128'],
    IndexConfigs: { 'docker.io': { Secure: true }, 'plain.example:5000': { Secure: false } },
  },
  HttpProxy: 'http://xxxxx:xxxxx@proxy.example:3128',
};
const PROXY = 'http://me:secret@proxy.example:3128';

test.each<[string, BuilderSettings]>([
  ['mirrors', { registries: { 'docker.io': { mirrors: ['mirror.example'] } } }],
  [
    'registries without TLS',
    { registries: { 'plain.example:5000': { plainHttp: true }, '127.0.0.1:9': { plainHttp: true } } },
  ],
  ['unverified registries', { registries: { 'plain.example:5000': { insecureSkipVerify: true } } }],
  ['a proxy, of which it hides the credentials', { proxy: { http: PROXY, for: 'both' } }],
])('accepts %s that the engine has', (_, settings) => {
  expect(() => checkEngine(settings, ENGINE)).not.toThrow();
});

test('accepts a proxy of steps, which the engine needn’t know', () => {
  expect(() => checkEngine({ proxy: { http: PROXY, for: 'builds' } }, {})).not.toThrow();
});

test.each<[BuilderSettings, string]>([
  [
    { registries: { 'docker.io': { mirrors: ['other.example'] } } },
    'in daemon.json, "registry-mirrors": ["https://other.example"]',
  ],
  [
    { registries: { 'ghcr.io': { mirrors: ['m'] } } },
    'got mirrors of ghcr.io, but the engine can have mirrors of docker.io only',
  ],
  [
    { registries: { 'r.example': { plainHttp: true } } },
    'KILN_REGISTRY_PLAIN_HTTP: in daemon.json, "insecure-registries": ["r.example"]',
  ],
  [{ registries: { 'r.example': { insecureSkipVerify: true } } }, 'KILN_REGISTRY_INSECURE_SKIP_VERIFY: in daemon.json'],
  [{ registries: { 'r.example': { authorities: ['x'] } } }, '/etc/docker/certs.d/r.example/ca.crt'],
  [{ authorities: ['x'] }, 'KILN_BUILD_CAS: add the files'],
  [
    { proxy: { https: PROXY, for: 'builder' } },
    '"proxies": {"https-proxy": "http://***@proxy.example:3128"}; it has none',
  ],
  [{ proxy: { http: 'http://other.example', for: 'both' } }, 'it has "http://***@proxy.example:3128"'],
  [{ dns: { servers: ['10.0.0.1'] } }, 'KILN_BUILD_DNS: in daemon.json, "dns": ["10.0.0.1"]'],
  [{ dns: { search: ['a.b'], options: ['rotate'] } }, '"dns-opts": ["rotate"]'],
  [{ maxParallelism: 2 }, 'KILN_MAX_PARALLELISM: the engine has no such setting'],
  [{ limits: { pids: 1 } }, '"cgroup-parent" with a group that has these limits'],
  [{ config: { table: {}, files: {} } }, 'KILN_BUILDKITD_CONFIG: the engine reads daemon.json instead'],
])('refuses %j that the engine doesn’t show, and says where to set it', (settings, words) => {
  expect(() => checkEngine(settings, ENGINE)).toThrow(EngineDiffers);
  expect(() => checkEngine(settings, ENGINE)).toThrow(words);
  expect(() => checkEngine(settings, ENGINE)).not.toThrow('secret');
});
