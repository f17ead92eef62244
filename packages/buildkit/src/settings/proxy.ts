import type { ProxySettings } from './builder-settings.ts';

/** The names under which programs look for a proxy; most know only one of the cases. */
const NAMES = { http: 'HTTP_PROXY', https: 'HTTPS_PROXY', no: 'NO_PROXY' } as const;

/** Returns the environment, `NAME=value`, of what fetches for builds. */
export function proxyEnv(proxy: ProxySettings | undefined): string[] {
  if (proxy === undefined || proxy.for === 'builds') return [];
  return variables(proxy).flatMap(([name, value]) => [`${name}=${value}`, `${name.toLowerCase()}=${value}`]);
}

/**
 * Returns the build arguments that give RUN steps the proxy. BuildKit predefines them: it leaves them out of the cache key and of the image,
 * and sets both cases of the name.
 * @param given the build's own arguments, which take precedence
 */
export function proxyArgs(
  proxy: ProxySettings | undefined,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  if (proxy === undefined || proxy.for === 'builder') return {};
  const own = new Set(Object.keys(given).map((name) => name.toUpperCase()));
  return Object.fromEntries(variables(proxy).filter(([name]) => !own.has(name)));
}

/** Returns the texts that no log may show: the proxies' credentials. */
export function proxySecrets(proxy: ProxySettings | undefined): string[] {
  return [proxy?.http, proxy?.https].flatMap((text) => {
    const url = text === undefined ? undefined : new URL(text);
    if (!url?.password) return url?.username ? [url.username] : [];
    return [`${url.username}:${url.password}`, decodeURIComponent(url.password)];
  });
}

/** Returns a proxy's URL without its credentials. */
export function maskProxy(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//***@');
}

function variables(proxy: ProxySettings): [string, string][] {
  return (['http', 'https', 'no'] as const).flatMap((key): [string, string][] => {
    const value = proxy[key];
    return value === undefined ? [] : [[NAMES[key], value]];
  });
}
