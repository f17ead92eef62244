import { trim } from '@kiln/domain';
import { UsageError } from '../../../io/errors.ts';

export interface GitSource {
  readonly type: 'git';
  readonly url: string;
  readonly ref?: string;
  readonly subdir?: string;
}

/**
 * Reads a context operand as docker reads a git context: `https://host/repo.git#ref:subdir`, `git://…`, `github.com/…`.
 * undefined where it's a path. With `ref` given apart (`--ref`), any http(s) URL is a git one.
 * Throws `UsageError` at what docker takes but Kiln's hosts don't.
 */
export function gitSourceOf(operand: string, ref: string | undefined): GitSource | undefined {
  if (/^(?:ssh:\/\/|[^\s/:@]+@[^\s/:]+:)/.test(operand)) {
    throw new UsageError(
      `${operand}: Kiln clones over https:// only; for a private repository add --secret id=GIT_AUTH_TOKEN,env=…`,
    );
  }
  const isUrl = /^(?:https?|git):\/\//i.test(operand);
  if (!isUrl && !operand.startsWith('github.com/')) return undefined;
  const hash = operand.indexOf('#');
  const base = hash < 0 ? operand : operand.slice(0, hash);
  const fragment = hash < 0 ? '' : operand.slice(hash + 1);
  if (/^https?:/i.test(base) && !base.endsWith('.git') && ref === undefined && hash < 0) {
    throw new UsageError(
      `${operand}: Kiln can't build from a remote file. If it's a git repository, end the URL with .git or add --ref`,
    );
  }
  if (/^[a-z]+:\/\/[^/]*@/i.test(base)) {
    throw new UsageError(
      `${base.replace(/\/\/[^/]*@/, '//…@')}: no user or password in the URL; give a token with --secret id=GIT_AUTH_TOKEN,env=…`,
    );
  }
  const colon = fragment.indexOf(':');
  const hashRef = colon < 0 ? fragment : fragment.slice(0, colon);
  const subdir = colon < 0 ? '' : trim(fragment.slice(colon + 1), '/');
  if (ref !== undefined && hashRef !== '' && hashRef !== ref) {
    throw new UsageError(`--ref ${ref} and #${hashRef}: which of them?`);
  }
  const chosen = ref ?? (hashRef === '' ? undefined : hashRef);
  return {
    type: 'git',
    url: isUrl ? base : `https://${base}`,
    ...(chosen !== undefined && { ref: chosen }),
    ...(subdir !== '' && subdir !== '.' && { subdir }),
  };
}
