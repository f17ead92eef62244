import { trimEnd } from '@kiln/domain';
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
  const under = subdir === undefined ? '' : trimEnd(subdir.replace(/^(?:\.?\/)+/, ''), '/');
  return `${withDotGit(url)}#${commit}${under && under !== '.' ? `:${under}` : ''}`;
}

function withDotGit(url: string): string {
  if (!/^https?:/i.test(url)) return url;
  const bare = trimEnd(url, '/');
  return bare.endsWith('.git') ? bare : `${bare}.git`;
}
