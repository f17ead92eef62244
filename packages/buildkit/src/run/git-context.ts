import { trimEnd } from '@kiln/domain';

export interface GitContext {
  readonly url: string;
  readonly commit: string;
  readonly subdir?: string | undefined;
}

/**
 * Returns a git context for buildx, `url#commit:subdir`. BuildKit treats an http(s) URL as a repository only if its path ends in `.git`
 * (otherwise it downloads the URL as a file), so a missing `.git` is added.
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
