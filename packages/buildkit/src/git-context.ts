export interface GitContext {
  readonly url: string;
  readonly commit: string;
  readonly subdir?: string | undefined;
}

/**
 * `url#commit:subdir` as buildx takes a git context. BuildKit takes an http(s) URL for a repository only if its path
 * ends in `.git` (else it downloads the URL as a file), so that is added where it is missing.
 */
export function gitContext({ url, commit, subdir }: GitContext): string {
  const under = subdir === undefined ? '' : subdir.replace(/^(?:\.?\/)+|\/+$/g, '');
  return `${withDotGit(url)}#${commit}${under && under !== '.' ? `:${under}` : ''}`;
}

function withDotGit(url: string): string {
  if (!/^https?:/i.test(url)) return url;
  const bare = url.replace(/\/+$/, '');
  return bare.endsWith('.git') ? bare : `${bare}.git`;
}
