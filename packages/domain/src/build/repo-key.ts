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

/** Returns host and path without scheme, user, `.git` and outer slashes. Only the host is put in lower case: on some forges case matters in paths. */
function normaliseOrigin(origin: string): string {
  const url = /^(?:[a-z][a-z0-9+.-]*:\/\/)(?:[^@/]*@)?([^/]+)\/(.*)$/i.exec(origin);
  const scp = /^(?:[^@/\s]+@)([^:/\s]+):(?!\/\/)(.*)$/.exec(origin);
  const match = url ?? scp;
  if (!match) return trimSlashes(origin);
  const [, host = '', path = ''] = match;
  return `${host.toLowerCase()}/${trimSlashes(path).replace(/\.git$/i, '')}`;
}

function trimSlashes(path: string): string {
  return trimEnd(path.replace(/^(?:\.?\/)+/, ''), '/');
}
