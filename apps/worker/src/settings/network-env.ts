import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type BuilderSettings, configKeys, InvalidConfig, parseExtraConfig } from '@kiln/buildkit';
import { z } from 'zod';
import { certificateFile } from './certificate-file.ts';
import { isHost, listOf, pairOf, registry, WrongElement } from './read-list.ts';

const GUIDE = '[network.md](network.md#registries-certificates-proxies)';

const mirrors = listOf(
  'registry=mirror,…, asked in this order (docker.io=mirror.corp.example:5000,docker.io=cache.corp.example/hub)',
  (text) => {
    const [of, mirror] = pairOf(text);
    const [host = '', ...path] = mirror.split('/');
    if (!/^[a-z0-9._/-]*$/.test(path.join('/')) || path.includes(''))
      throw new WrongElement(
        `${JSON.stringify(mirror)} is not a mirror, such as mirror.corp.example:5000 or mirror.corp.example/hub`,
      );
    return { registry: registry(of), mirror: [registry(host), ...path].join('/') };
  },
);

const authorities = listOf(
  'registry=file,…, files of certificates in PEM (registry.corp.example=/etc/kiln/ca.pem)',
  (text) => {
    const [of, path] = pairOf(text);
    return { registry: registry(of), file: certificateFile(path) };
  },
);

/** URL of a proxy. Its credentials aren't shown in errors: see `readEnv`. */
const proxyUrl = z
  .string()
  .optional()
  .refine(
    (text) => text === undefined || isProxy(text),
    'the URL of an HTTP proxy without a path, such as http://proxy.corp.example:3128',
  );

const noProxy = listOf('hosts that are reached without the proxy (localhost,.corp.example,10.0.0.0/8)', (text) => {
  if (
    text === '*' ||
    isHost(
      text
        .toLowerCase()
        .replace(/^\*?\./, '')
        .replace(/(?:\/[0-9]+)?(?::[0-9]+)?$/, ''),
    ) ||
    isIP(text.split('/')[0] ?? '')
  )
    return text;
  throw new WrongElement(`${JSON.stringify(text)} is neither a host name, nor a domain, nor an address or network`);
});

const config = z
  .string()
  .optional()
  .transform((path, ctx) => {
    if (path === undefined) return undefined;
    const refuse = (why: string) => {
      ctx.addIssue({ code: 'custom', message: why, input: path });
      return z.NEVER;
    };
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      return refuse(`a readable file (${(error as Error).message})`);
    }
    try {
      const parsed = parseExtraConfig(text, (file) => readFileSync(file, 'utf8'));
      return { ...parsed, keys: configKeys(parsed.table) };
    } catch (error) {
      if (!(error instanceof InvalidConfig)) throw error;
      return refuse(`a buildkitd.toml that Kiln can add to its own; ${error.message}`);
    }
  });

/** A whole number of at least 1, or nothing. */
const count = (expected: string) =>
  z
    .string()
    .regex(/^[1-9][0-9]{0,14}$/, expected)
    .transform(Number)
    .optional();

/** Variables for what a company's network needs, the same for `kiln up` and a separate worker. */
export const networkEnv = {
  KILN_REGISTRY_MIRRORS: mirrors.describe(
    `mirrors and pull-through caches of registries, \`registry=mirror,…\`, asked in this order (${GUIDE})`,
  ),
  KILN_REGISTRY_PLAIN_HTTP: listOf('registries (registry.corp.example:5000,…)', registry).describe(
    'registries and mirrors without TLS, separated by commas',
  ),
  KILN_REGISTRY_INSECURE_SKIP_VERIFY: listOf('registries (registry.corp.example:5000,…)', registry).describe(
    'registries and mirrors whose certificates are not verified: anyone on the way can replace images',
  ),
  KILN_REGISTRY_CAS: authorities.describe('certificate authorities of single registries, `registry=file,…`; PEM'),
  KILN_BUILD_CAS: listOf('files of certificates in PEM (/etc/kiln/ca.pem,…)', certificateFile).describe(
    'files of certificate authorities that BuildKit trusts for everything: registries, git, `ADD https://…`; not RUN steps; PEM',
  ),
  KILN_BUILD_HTTP_PROXY: proxyUrl.describe('proxy for http:// URLs; its credentials are visible to RUN steps'),
  KILN_BUILD_HTTPS_PROXY: proxyUrl.describe('proxy for https:// URLs, which includes registries'),
  KILN_BUILD_NO_PROXY: noProxy.describe('hosts, domains and networks that are reached without the proxy'),
  KILN_BUILD_PROXY_FOR: z
    .enum(['both', 'builds', 'builder'], { error: 'both, builds or builder' })
    .default('both')
    .describe('who uses the proxies: RUN steps (`builds`), what fetches for them (`builder`), or `both`'),
  KILN_BUILD_DNS: listOf('addresses of DNS servers (10.0.0.53,…)', (text) => {
    if (isIP(text)) return text;
    throw new WrongElement(`${JSON.stringify(text)} is not an IP address`);
  }).describe('DNS servers for builds, instead of the engine’s'),
  KILN_BUILD_DNS_SEARCH: listOf('domains (corp.example,…)', (text) => {
    if (isHost(text)) return text;
    throw new WrongElement(`${JSON.stringify(text)} is not a domain`);
  }).describe('search domains for builds'),
  KILN_BUILD_DNS_OPTIONS: listOf('options of resolv.conf (ndots:2,rotate)', (text) => {
    if (/^[a-z][a-z0-9-]*(?::[0-9]+)?$/.test(text)) return text;
    throw new WrongElement(`${JSON.stringify(text)} is not an option such as ndots:2`);
  }).describe('options of the resolver for builds'),
  KILN_MAX_PARALLELISM: count('a whole number of at least 1').describe(
    'steps that each builder runs at the same time; without it, no limit',
  ),
  KILN_BUILD_MEMORY_BYTES: count('a whole number of at least 1').describe(
    'memory of the RUN steps of each builder together',
  ),
  KILN_BUILD_CPUS: z
    .string()
    .regex(/^(?:[0-9]+|[0-9]*\.[0-9]{1,2})$/, 'a number of CPUs such as 2 or 1.5')
    .transform(Number)
    .pipe(z.number().min(0.01, 'a number of CPUs of at least 0.01'))
    .optional()
    .describe('CPUs of the RUN steps of each builder together; may be a fraction'),
  KILN_BUILD_PIDS: count('a whole number of at least 1').describe(
    'processes and threads of the RUN steps of each builder together',
  ),
  KILN_BUILDKITD_CONFIG: config.describe(
    'a `buildkitd.toml` whose settings are added to Kiln’s own (driver `docker-container`)',
  ),
};

export type NetworkEnv = z.output<z.ZodObject<typeof networkEnv>>;

/** Refuses settings that contradict each other. */
export function checkNetwork(env: NetworkEnv, refuse: (name: keyof NetworkEnv, expected: string) => void): void {
  const twice = env.KILN_REGISTRY_PLAIN_HTTP?.find((host) => env.KILN_REGISTRY_CAS?.some((ca) => ca.registry === host));
  if (twice !== undefined)
    refuse('KILN_REGISTRY_CAS', `no certificates of ${twice}, which is in KILN_REGISTRY_PLAIN_HTTP`);
  const hasProxy = env.KILN_BUILD_HTTP_PROXY !== undefined || env.KILN_BUILD_HTTPS_PROXY !== undefined;
  if (env.KILN_BUILD_NO_PROXY && !hasProxy)
    refuse('KILN_BUILD_NO_PROXY', 'it to be unset without KILN_BUILD_HTTP_PROXY or KILN_BUILD_HTTPS_PROXY');
}

/** Turns the variables into the builders' settings; undefined if none is set. */
export function networkSettings(env: NetworkEnv): BuilderSettings | undefined {
  const { KILN_BUILD_CAS: cas, KILN_MAX_PARALLELISM: maxParallelism, KILN_BUILDKITD_CONFIG: more } = env;
  const registries = registriesOf(env);
  const proxy = proxyOf(env);
  const dns = given({
    servers: env.KILN_BUILD_DNS,
    search: env.KILN_BUILD_DNS_SEARCH,
    options: env.KILN_BUILD_DNS_OPTIONS,
  });
  const limits = given({
    memoryBytes: env.KILN_BUILD_MEMORY_BYTES,
    cpus: env.KILN_BUILD_CPUS,
    pids: env.KILN_BUILD_PIDS,
  });
  return given({
    registries,
    authorities: cas?.map(({ pem }) => pem),
    proxy,
    dns,
    maxParallelism,
    limits,
    config: more && { table: more.table, files: more.files },
  });
}

type Registries = NonNullable<BuilderSettings['registries']>;

function registriesOf(env: NetworkEnv): Registries | undefined {
  const all: Record<string, { -readonly [K in keyof Registries[string]]: Registries[string][K] }> = {};
  const of = (host: string) => {
    all[host] ??= {};
    return all[host];
  };
  for (const { registry: host, mirror } of env.KILN_REGISTRY_MIRRORS ?? [])
    of(host).mirrors = [...(of(host).mirrors ?? []), mirror];
  for (const host of env.KILN_REGISTRY_PLAIN_HTTP ?? []) of(host).plainHttp = true;
  for (const host of env.KILN_REGISTRY_INSECURE_SKIP_VERIFY ?? []) of(host).insecureSkipVerify = true;
  for (const { registry: host, file } of env.KILN_REGISTRY_CAS ?? [])
    of(host).authorities = [...(of(host).authorities ?? []), file.pem];
  return Object.keys(all).length === 0 ? undefined : all;
}

function proxyOf(env: NetworkEnv): BuilderSettings['proxy'] {
  const urls = given({
    http: env.KILN_BUILD_HTTP_PROXY,
    https: env.KILN_BUILD_HTTPS_PROXY,
    no: env.KILN_BUILD_NO_PROXY?.join(','),
  });
  return urls && { ...urls, for: env.KILN_BUILD_PROXY_FOR };
}

/** Returns the members that are set; undefined if there are none. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } | undefined {
  const set = Object.entries(fields).filter(([, value]) => value !== undefined);
  return set.length === 0 ? undefined : (Object.fromEntries(set) as { [K in keyof T]?: Exclude<T[K], undefined> });
}

function isProxy(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && hostname !== '' && pathname === '/' && search + hash === '';
}
