import { trimEnd } from '../text/trim.ts';
/** The parts of a source that decide which builds share caches. */
export interface RepoKeyParts {
  /** Git URL, or the name given with an upload. */
  readonly origin: string;
  readonly subdir?: string | undefined;
  readonly dockerfile: string;
}

/**
 * The affinity key of a build: normalised origin, `//subdir` and `:dockerfile` where they aren't the root and `Dockerfile`.
 * `https://user@GitHub.com/Acme/App.git` and `git@github.com:Acme/App` are the same repo: `github.com/Acme/App`.
 */
export function repoKey({ origin, subdir, dockerfile }: RepoKeyParts): string {
  const under = trimSlashes(subdir ?? '');
  const file = dockerfile === 'Dockerfile' ? '' : `:${dockerfile}`;
  return `${normaliseOrigin(origin)}${under ? `//${under}` : ''}${file}`;
}

/** The repository that an origin names, whatever the place in it: `github.com/Acme/App` for `github.com/Acme/App//services/web`, too. */
export function repoOrigin(origin: string): string {
  const [repo = ''] = normaliseOrigin(origin).split('//');
  return repo;
}

/** Host in lower case, path as it is (forges differ in whether case counts there), without scheme, user, `.git` and outer slashes. */
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
