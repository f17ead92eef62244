import { trim } from '@kiln/domain';
import { UsageError } from '../../../io/errors.ts';

export interface GitSource {
  readonly type: 'git';
  readonly url: string;
  readonly ref?: string;
  readonly subdir?: string;
}

/**
 * Parses a context operand like docker parses a git context: `https://host/repo.git#ref:subdir`, `git://…`, `github.com/…`.
 * Returns undefined if it is a path. With `ref` (`--ref`), any http(s) URL is a git URL.
 * @throws UsageError for a URL that docker accepts but Kiln's hosts don't
 */
export function gitSourceOf(operand: string, ref: string | undefined): GitSource | undefined {
  if (/^(?:ssh:\/\/|[^\s/:@]+@[^\s/:]+:)/.test(operand)) {
    throw new UsageError(
      `${operand}: only https:// is supported; for a private repository, add --secret id=GIT_AUTH_TOKEN,env=VAR`,
    );
  }
  const isUrl = /^(?:https?|git):\/\//i.test(operand);
  if (!isUrl && !operand.startsWith('github.com/')) return undefined;
  const hash = operand.indexOf('#');
  const base = hash < 0 ? operand : operand.slice(0, hash);
  const fragment = hash < 0 ? '' : operand.slice(hash + 1);
  if (/^https?:/i.test(base) && !base.endsWith('.git') && ref === undefined && hash < 0) {
    throw new UsageError(
      `${operand}: building from a remote file is not supported; for a git repository, end the URL with .git or add --ref`,
    );
  }
  if (/^[a-z]+:\/\/[^/]*@/i.test(base)) {
    throw new UsageError(
      `${base.replace(/\/\/[^/]*@/, '//…@')}: credentials in the URL are not supported; use --secret id=GIT_AUTH_TOKEN,env=VAR`,
    );
  }
  const colon = fragment.indexOf(':');
  const hashRef = colon < 0 ? fragment : fragment.slice(0, colon);
  const subdir = colon < 0 ? '' : trim(fragment.slice(colon + 1), '/');
  if (ref !== undefined && hashRef !== '' && hashRef !== ref) {
    throw new UsageError(`--ref ${ref} and #${hashRef} name different refs; give only one`);
  }
  const chosen = ref ?? (hashRef === '' ? undefined : hashRef);
  return {
    type: 'git',
    url: isUrl ? base : `https://${base}`,
    ...(chosen !== undefined && { ref: chosen }),
    ...(subdir !== '' && subdir !== '.' && { subdir }),
  };
}
