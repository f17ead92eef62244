import { bytes, type HostNetwork } from '@kiln/contracts';

/** Describes what is set for a host's builders, one line each; empty if nothing is. */
export function networkLines(network: HostNetwork | undefined, now: number): string[] {
  if (network === undefined) return [];
  const { mirrors = {}, plainHttp, insecureSkipVerify, authorities = [], proxy, dns, maxParallelism, limits } = network;
  const lines: [string, string][] = [
    ...Object.entries(mirrors).map(([of, all]): [string, string] => ['mirrors', `${of}: ${all.join(', ')}`]),
    ...(plainHttp ? [['http', plainHttp.join(', ')] as [string, string]] : []),
    ...(insecureSkipVerify
      ? [['unsafe', `certificates not verified: ${insecureSkipVerify.join(', ')}`] as [string, string]]
      : []),
    ...authorities.map(({ registry, subject, expiresAt }): [string, string] => [
      'CA',
      `${registry === undefined ? '' : `${registry}: `}${subject}, ${Date.parse(expiresAt) <= now ? 'EXPIRED' : 'until'} ${expiresAt.slice(0, 10)}`,
    ]),
    ...(proxy ? [['proxy', proxyText(proxy)] as [string, string]] : []),
    ...(dns ? [['dns', dnsText(dns)] as [string, string]] : []),
    ...(limits || maxParallelism !== undefined ? [['steps', limitsText(network)] as [string, string]] : []),
    ...(network.configKeys ? [['config', network.configKeys.join(', ')] as [string, string]] : []),
  ];
  return lines.map(([name, text]) => `${name.padEnd(8)}${text}`);
}

function proxyText(proxy: NonNullable<HostNetwork['proxy']>): string {
  const users = { both: 'builder and RUN', builder: 'builder', builds: 'RUN' }[proxy.for];
  const urls = [
    proxy.http && `http ${proxy.http}`,
    proxy.https && `https ${proxy.https}`,
    proxy.no && `not ${proxy.no}`,
  ];
  return `${urls.filter(Boolean).join('; ')} (${users})`;
}

function dnsText({ servers, search, options }: NonNullable<HostNetwork['dns']>): string {
  const parts = [
    servers?.join(', '),
    search && `search ${search.join(' ')}`,
    options && `options ${options.join(' ')}`,
  ];
  return parts.filter(Boolean).join('; ');
}

function limitsText({ limits, maxParallelism }: HostNetwork): string {
  const parts = [
    maxParallelism !== undefined && `at most ${maxParallelism} at a time`,
    limits?.memoryBytes !== undefined && `memory ${bytes(limits.memoryBytes)}`,
    limits?.cpus !== undefined && `${limits.cpus} CPUs`,
    limits?.pids !== undefined && `${limits.pids} processes`,
  ];
  return `${parts.filter(Boolean).join(', ')} for each builder`;
}
