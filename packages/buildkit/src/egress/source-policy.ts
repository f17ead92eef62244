/** buildx reads a policy's file there since 0.12, and has BuildKit keep to it. */
export const SOURCE_POLICY_VARIABLE = 'EXPERIMENTAL_BUILDKIT_SOURCE_POLICY';

/** BuildKit's source policy (`moby.buildkit.v1.sourcepolicy.Policy` as JSON): the last rule that fits decides. */
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

/** What comes over buildx's own connection, or lies in BuildKit. */
const LOCAL = ['local://*', 'oci-layout://*'];

/**
 * Lets BuildKit fetch from `hosts` alone, each a name or address, `*.` before a name for all below it, with a port or for all ports (git: its
 * protocol's own); and from the server of the build's own repository. Base images are at `docker.io` unless they name another registry.
 */
export function sourcePolicy(hosts: readonly string[], gitUrl: string | undefined): SourcePolicy {
  const own = gitUrl === undefined ? [] : ownRepository(gitUrl);
  return {
    rules: [
      { action: 'DENY', selector: { identifier: '*' } },
      ...LOCAL.map((identifier): Rule => ({ action: 'ALLOW', selector: { identifier } })),
      ...hosts.flatMap(listed),
      ...own,
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
 * A repository's identifier has only one scheme, whatever the protocol, and the URL that is fetched from beside it: of a frontend that puts
 * them together by itself, the two need not agree.
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

/** Without a port, every port. User names before a host are never part of what is allowed. */
function hostPattern(host: string): string {
  const [, name = host, port] = /^(.*?)(:\d+)?$/.exec(host) ?? [];
  const named = name.startsWith('*.') ? `[a-z0-9_.-]+\\.${escaped(name.slice(2))}` : escaped(name);
  return `${named}${port ?? '(:[0-9]+)?'}`;
}

function escaped(text: string): string {
  return text.replace(/[^\w-]/g, '\\$&');
}
