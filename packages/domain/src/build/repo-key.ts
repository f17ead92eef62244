import { trimEnd } from '../text/trim.ts';

/** The parts of a source that decide which builds share caches. */
export interface RepoKeyParts {
  /** Git URL, or the name given with an upload. */
  readonly origin: string;
  readonly subdir?: string | undefined;
  readonly dockerfile: string;
}

/**
 * Returns the affinity key of a build: the normalised origin, then `//subdir` and `:dockerfile` unless they are the root and `Dockerfile`.
 * `https://user@GitHub.com/Acme/App.git` and `git@github.com:Acme/App` are the same repo: `github.com/Acme/App`.
 */
export function repoKey({ origin, subdir, dockerfile }: RepoKeyParts): string {
  const under = trimSlashes(subdir ?? '');
  const file = dockerfile === 'Dockerfile' ? '' : `:${dockerfile}`;
  return `${normaliseOrigin(origin)}${under ? `//${under}` : ''}${file}`;
}

/** Returns the repository of an origin, without a place in it: `github.com/Acme/App` also for `github.com/Acme/App//services/web`. */
export function repoOrigin(origin: string): string {
  const [repo = ''] = normaliseOrigin(origin).split('//');
  return repo;
}

/** Ports that a URL may leave out. */
const DEFAULT_PORTS: Readonly<Record<string, string>> = { ssh: '22', https: '443', http: '80', git: '9418' };

/** Returns host and path without scheme, user, default port, `.git` and outer slashes. Only the host is put in lower case: on some forges case matters in paths. */
function normaliseOrigin(origin: string): string {
  const url = /^([a-z][a-z0-9+.-]*):\/\/(?:[^@/]*@)?([^/]+)\/(.*)$/i.exec(origin);
  const scp = /^(?:[^@/\s]+@)([^:/\s]+):(?!\/\/)(.*)$/.exec(origin);
  if (!url && !scp) return trimSlashes(origin);
  const [scheme = '', host = '', path = ''] = url ? url.slice(1) : ['ssh', ...(scp?.slice(1) ?? [])];
  return `${withoutPort(host, DEFAULT_PORTS[scheme.toLowerCase()]).toLowerCase()}/${trimSlashes(path).replace(/\.git$/i, '')}`;
}

function withoutPort(host: string, port: string | undefined): string {
  return port !== undefined && host.endsWith(`:${port}`) ? host.slice(0, -port.length - 1) : host;
}

function trimSlashes(path: string): string {
  return trimEnd(path.replace(/^(?:\.?\/)+/, ''), '/');
}
