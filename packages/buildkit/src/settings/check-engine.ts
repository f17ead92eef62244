import { isIPv4 } from 'node:net';
import type { BuilderSettings } from './builder-settings.ts';
import { maskProxy } from './proxy.ts';

/** What `docker info` shows of the engine's own settings. */
export interface EngineInfo {
  readonly RegistryConfig?: {
    readonly Mirrors?: readonly string[] | null;
    readonly InsecureRegistryCIDRs?: readonly string[] | null;
    readonly IndexConfigs?: Readonly<Record<string, { readonly Secure?: boolean }>> | null;
  };
  readonly HttpProxy?: string;
  readonly HttpsProxy?: string;
  readonly NoProxy?: string;
}

/** With the `docker` driver the engine's own configuration governs, and it differs from what is set for Kiln. */
export class EngineDiffers extends Error {
  readonly code = 'engine_differs';
  constructor(differences: readonly string[]) {
    super(
      'settings that the docker driver can’t apply, because the engine itself has them:\n' +
        `${differences.map((one) => `  ${one}`).join('\n')}\n` +
        'Set them there and restart the engine, unset them here, or use the docker-container driver.',
    );
  }
}

/** Checks that the engine has, or Kiln can set for it, what is set. The proxy of steps needs no engine. @throws EngineDiffers */
export function checkEngine(settings: BuilderSettings, info: EngineInfo): void {
  const differences = [
    ...registryDifferences(settings, info),
    ...proxyDifferences(settings, info),
    ...alwaysDifferent(settings),
  ];
  if (differences.length > 0) throw new EngineDiffers(differences);
}

function registryDifferences({ registries = {} }: BuilderSettings, { RegistryConfig }: EngineInfo): string[] {
  const { Mirrors, InsecureRegistryCIDRs, IndexConfigs } = RegistryConfig ?? {};
  return Object.entries(registries).flatMap(([host, { mirrors, plainHttp, insecureSkipVerify, authorities }]) => {
    const differences: string[] = [];
    if (mirrors && host !== 'docker.io') {
      differences.push(
        `KILN_REGISTRY_MIRRORS: got mirrors of ${host}, but the engine can have mirrors of docker.io only`,
      );
    } else if (mirrors && (Mirrors ?? []).map(bare).join() !== mirrors.join()) {
      const urls = mirrors.map((mirror) => `https://${mirror}`);
      differences.push(`KILN_REGISTRY_MIRRORS: in daemon.json, "registry-mirrors": ${JSON.stringify(urls)}`);
    }
    const isOpen =
      IndexConfigs?.[host]?.Secure === false || (InsecureRegistryCIDRs ?? []).some((cidr) => holds(cidr, host));
    if ((plainHttp || insecureSkipVerify) && !isOpen) {
      const name = plainHttp ? 'KILN_REGISTRY_PLAIN_HTTP' : 'KILN_REGISTRY_INSECURE_SKIP_VERIFY';
      differences.push(`${name}: in daemon.json, "insecure-registries": [${JSON.stringify(host)}]`);
    }
    if (authorities)
      differences.push(
        `KILN_REGISTRY_CAS: put the file of ${host} to /etc/docker/certs.d/${host}/ca.crt of the engine’s machine`,
      );
    return differences;
  });
}

function proxyDifferences({ proxy }: BuilderSettings, info: EngineInfo): string[] {
  if (proxy === undefined || proxy.for === 'builds') return [];
  const wanted = [
    ['KILN_BUILD_HTTP_PROXY', 'http-proxy', proxy.http, info.HttpProxy],
    ['KILN_BUILD_HTTPS_PROXY', 'https-proxy', proxy.https, info.HttpsProxy],
    ['KILN_BUILD_NO_PROXY', 'no-proxy', proxy.no, info.NoProxy],
  ] as const;
  return wanted.flatMap(([name, key, value, has = '']) => {
    // The engine shows no credentials.
    if (value === undefined || sameProxy(value, has)) return [];
    const got = has === '' ? 'none' : `"${maskProxy(has)}"`;
    return [`${name}: in daemon.json, "proxies": {"${key}": "${maskProxy(value)}"}; it has ${got}`];
  });
}

function alwaysDifferent({ authorities, dns, maxParallelism, limits, config }: BuilderSettings): string[] {
  return [
    ...(authorities
      ? ['KILN_BUILD_CAS: add the files to the certificates of the engine’s machine (update-ca-certificates)']
      : []),
    ...(dns?.servers ? [`KILN_BUILD_DNS: in daemon.json, "dns": ${JSON.stringify(dns.servers)}`] : []),
    ...(dns?.search ? [`KILN_BUILD_DNS_SEARCH: in daemon.json, "dns-search": ${JSON.stringify(dns.search)}`] : []),
    ...(dns?.options ? [`KILN_BUILD_DNS_OPTIONS: in daemon.json, "dns-opts": ${JSON.stringify(dns.options)}`] : []),
    ...(maxParallelism === undefined ? [] : ['KILN_MAX_PARALLELISM: the engine has no such setting']),
    ...(limits
      ? [
          'KILN_BUILD_MEMORY_BYTES, KILN_BUILD_CPUS, KILN_BUILD_PIDS: in daemon.json, "cgroup-parent" with a group that has these limits',
        ]
      : []),
    ...(config ? ['KILN_BUILDKITD_CONFIG: the engine reads daemon.json instead'] : []),
  ];
}

function bare(url: string): string {
  return url.replace(/^[a-z]+:\/\//, '').replace(/\/$/, '');
}

function sameProxy(one: string, other: string): boolean {
  const plain = (text: string) => text.replace(/\/\/[^/]*@/, '//').replace(/\/$/, '');
  return plain(one) === plain(other);
}

/** Whether an IPv4 network, as in `127.0.0.0/8`, contains the address `host[:port]`. */
function holds(cidr: string, host: string): boolean {
  const [network = '', bits = '32'] = cidr.split('/');
  const [address = ''] = host.split(':');
  if (!isIPv4(network) || !isIPv4(address)) return false;
  const rest = 2 ** (32 - Number(bits));
  return Math.floor(numberOf(network) / rest) === Math.floor(numberOf(address) / rest);
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
