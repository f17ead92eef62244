import { trimEnd } from '@kiln/domain';

export interface GitContext {
  readonly url: string;
  /** Or another ref. Default: the remote HEAD. */
  readonly commit?: string | undefined;
  readonly subdir?: string | undefined;
}

/**
 * Returns a git context for buildx, `url#commit:subdir`. BuildKit treats an http(s) URL as a repository only if its path ends in `.git`
 * (otherwise it downloads the URL as a file), so a missing `.git` is added.
 */
export function gitContext({ url, commit, subdir }: GitContext): string {
  const under = subdir === undefined ? '' : trimEnd(subdir.replace(/^(?:\.?\/)+/, ''), '/');
  const fragment = `${commit ?? ''}${under && under !== '.' ? `:${under}` : ''}`;
  return fragment === '' ? withDotGit(url) : `${withDotGit(url)}#${fragment}`;
}

function withDotGit(url: string): string {
  if (!/^https?:/i.test(url)) return url;
  const bare = trimEnd(url, '/');
  return bare.endsWith('.git') ? bare : `${bare}.git`;
}
