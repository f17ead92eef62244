import { maskProxy } from '@kiln/buildkit';
import type { HostNetwork } from '@kiln/contracts';
import { type NetworkEnv, networkSettings } from './network-env.ts';

/** How long before its end a certificate is warned of. */
const SOON_MS = 14 * 24 * 3_600_000;

/** Returns what is set, without credentials; undefined if nothing is. */
export function networkReport(env: NetworkEnv): HostNetwork | undefined {
  const settings = networkSettings(env);
  if (settings === undefined) return undefined;
  const { registries = {}, proxy, dns, maxParallelism, limits } = settings;
  const mirrors = Object.entries(registries).flatMap(([host, { mirrors }]) => (mirrors ? [[host, [...mirrors]]] : []));
  const authorities = [
    ...(env.KILN_BUILD_CAS ?? []).map((file) => ({ file, of: {} })),
    ...(env.KILN_REGISTRY_CAS ?? []).map(({ registry, file }) => ({ file, of: { registry } })),
  ].flatMap(({ file, of }) =>
    file.certificates.map(({ subject, expiresAt }) => ({
      ...of,
      subject,
      expiresAt: new Date(expiresAt).toISOString(),
    })),
  );
  return {
    ...(mirrors.length > 0 && { mirrors: Object.fromEntries(mirrors) }),
    ...(env.KILN_REGISTRY_PLAIN_HTTP && { plainHttp: env.KILN_REGISTRY_PLAIN_HTTP }),
    ...(env.KILN_REGISTRY_INSECURE_SKIP_VERIFY && { insecureSkipVerify: env.KILN_REGISTRY_INSECURE_SKIP_VERIFY }),
    ...(authorities.length > 0 && { authorities }),
    ...(proxy && {
      proxy: {
        ...(proxy.http !== undefined && { http: maskProxy(proxy.http) }),
        ...(proxy.https !== undefined && { https: maskProxy(proxy.https) }),
        ...(proxy.no !== undefined && { no: proxy.no }),
        for: proxy.for,
      },
    }),
    ...(dns && {
      dns: {
        ...(dns.servers && { servers: [...dns.servers] }),
        ...(dns.search && { search: [...dns.search] }),
        ...(dns.options && { options: [...dns.options] }),
      },
    }),
    ...(maxParallelism !== undefined && { maxParallelism }),
    ...(limits && { limits: { ...limits } }),
    ...(env.KILN_BUILDKITD_CONFIG && { configKeys: env.KILN_BUILDKITD_CONFIG.keys }),
  };
}

/** Logs a warning for each authority that has expired or soon will: servers that it has certified are refused then. */
export function warnOfAuthorities(
  report: HostNetwork | undefined,
  log: { warn(fields: object, event: string): void },
  now: number,
): void {
  for (const { subject, expiresAt, registry } of report?.authorities ?? []) {
    const leftMs = Date.parse(expiresAt) - now;
    if (leftMs > SOON_MS) continue;
    const fields = { subject, expiresAt, ...(registry !== undefined && { registry }) };
    log.warn(fields, leftMs <= 0 ? 'certificate authority has expired' : 'certificate authority expires soon');
  }
}
