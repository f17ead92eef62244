/** Names the policy file for buildx (0.12 or later), which makes BuildKit enforce it. */
export const SOURCE_POLICY_VARIABLE = 'EXPERIMENTAL_BUILDKIT_SOURCE_POLICY';

/** BuildKit's source policy (`moby.buildkit.v1.sourcepolicy.Policy` as JSON): the last matching rule decides. */
export interface SourcePolicy {
  readonly rules: readonly {
    readonly action: 'ALLOW' | 'DENY';
    readonly selector: {
      readonly identifier: string;
      readonly match_type?: 'REGEX' | 'WILDCARD';
      readonly constraints?: readonly { readonly key: string; readonly value: string; readonly condition: 'MATCHES' }[];
    };
  }[];
}

type Rule = SourcePolicy['rules'][number];

/** Sources that buildx itself sends, or that BuildKit already has. */
const LOCAL = ['local://*', 'oci-layout://*'];

/**
 * Returns a policy that lets BuildKit fetch only from `hosts`, and from the servers of the build's own repositories. A host is a name or an address,
 * with `*.` for all names below, and with a port or for all ports (for git only the protocol's default). Base images are at `docker.io` unless they
 * name another registry.
 */
export function sourcePolicy(hosts: readonly string[], gitUrls: readonly string[]): SourcePolicy {
  return {
    rules: [
      { action: 'DENY', selector: { identifier: '*' } },
      ...LOCAL.map((identifier): Rule => ({ action: 'ALLOW', selector: { identifier } })),
      ...hosts.flatMap(listed),
      ...gitUrls.flatMap(ownRepository),
    ],
  };
}

function listed(host: string): Rule[] {
  const pattern = hostPattern(host);
  return [
    { action: 'ALLOW', selector: { identifier: `(?i)^(docker-image|https?)://${pattern}[/?#]`, match_type: 'REGEX' } },
    ...GIT_PROTOCOLS.map((protocol) => git(pattern, `${protocol}://${host}`)),
  ];
}

const GIT_PROTOCOLS = ['https', 'http', 'git'];

/**
 * A repository's identifier has the same scheme for all protocols; the URL to fetch from is a separate attribute. Both are checked, because a
 * frontend may set them independently.
 */
function git(pattern: string, url: string): Rule {
  const fetched = { key: 'git.fullurl', value: `${url}/*`, condition: 'MATCHES' } as const;
  return {
    action: 'ALLOW',
    selector: { identifier: `(?i)^git://${pattern}[/?#]`, match_type: 'REGEX', constraints: [fetched] },
  };
}

function ownRepository(gitUrl: string): Rule[] {
  const { host, protocol } = new URL(gitUrl);
  return [git(escaped(host), `${protocol}//${host}`)];
}

/** Matches a host; every port if it has none. User names before a host are never allowed. */
function hostPattern(host: string): string {
  const { name, port } = hostParts(host);
  const named = name.startsWith('*.') ? `[a-z0-9_.-]+\\.${escaped(name.slice(2))}` : escaped(name);
  return `${named}${port ?? '(:[0-9]+)?'}`;
}

/** Whether a server is one of `hosts`, as `hostPattern` matches it. `server` has a port unless it is the protocol's default. */
export function isListed(hosts: readonly string[], server: string): boolean {
  const asked = hostParts(server.toLowerCase());
  return hosts.some((host) => {
    const { name, port } = hostParts(host.toLowerCase());
    if (port !== undefined && port !== asked.port) return false;
    if (!name.startsWith('*.')) return asked.name === name;
    const domain = name.slice(1);
    return asked.name.endsWith(domain) && /^[a-z0-9_.-]+$/.test(asked.name.slice(0, -domain.length));
  });
}

/** `port` with its colon. */
function hostParts(host: string): { readonly name: string; readonly port: string | undefined } {
  const [, name = host, port] = /^(.*?)(:\d+)?$/.exec(host) ?? [];
  return { name, port };
}

function escaped(text: string): string {
  return text.replace(/[^\w-]/g, '\\$&');
}
