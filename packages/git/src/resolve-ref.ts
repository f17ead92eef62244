import { isCommit } from '@kiln/domain';
import { explain, type GitQuery, sendsTooMuch } from './explain.ts';
import { authorizing, gitEnvironment } from './git-environment.ts';
import { GitFailed } from './git-failed.ts';
import { requireGit } from './git-version.ts';
import { followRedirect, type GitGuard, reach } from './reach.ts';
import { runGit } from './run-git.ts';

export interface GitRemote {
  readonly url: string;
  /** Default: the remote HEAD. */
  readonly ref?: string | undefined;
  /** Value of the `Authorization` header; sent to the origin of `url` only. */
  readonly authorization?: string | undefined;
}

const TIMEOUT_MS = 30_000;
/** Matching refs are few; git itself filters those of servers that send all. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * Resolves `ref` to its current commit. A full commit id is returned as it is.
 * The order is that of gitrevisions(7): the exact ref, a name below `refs/` such as `pull/1/head`, a tag (peeled), a branch.
 * @throws GitFailed @throws the signal's reason
 */
export async function resolveRef(remote: GitRemote, guard: GitGuard, signal: AbortSignal): Promise<string> {
  const { url, ref } = remote;
  if (ref !== undefined && isCommit(ref)) return ref;
  const wanted = ref ?? 'HEAD';
  const found = await listRefs(remote, patterns(wanted), guard, signal);
  for (const name of preference(wanted)) {
    const commit = found.get(name);
    if (commit) return commit;
  }
  throw new GitFailed('ref_missing', missing(url, ref), false);
}

function missing(url: string, ref: string | undefined): string {
  if (ref !== undefined) return `${url} has no branch, tag or ref ${JSON.stringify(ref)}`;
  return `${url} has no default branch: it is empty, or its HEAD names a branch that does not exist; name a branch, tag or commit`;
}

function patterns(ref: string): string[] {
  if (ref === 'HEAD') return ['HEAD'];
  const names = [ref, `refs/${ref}`, `refs/tags/${ref}`];
  return [...names.flatMap((name) => [name, `${name}^{}`]), `refs/heads/${ref}`];
}

function preference(ref: string): string[] {
  if (ref === 'HEAD') return ['HEAD'];
  const full = ref.startsWith('refs/') ? [`${ref}^{}`, ref] : [];
  return [...full, `refs/${ref}^{}`, `refs/${ref}`, `refs/tags/${ref}^{}`, `refs/tags/${ref}`, `refs/heads/${ref}`];
}

async function listRefs(
  remote: GitRemote,
  refs: readonly string[],
  guard: GitGuard,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  await requireGit();
  const { url } = remote;
  const listed = await askRemote(url, remote, refs, guard, signal).catch(async (error: unknown) => {
    if (!(error instanceof GitFailed) || error.fault !== 'redirected') throw error;
    const elsewhere = await followRedirect(url, guard, signal);
    if (elsewhere === undefined) throw error;
    return askRemote(elsewhere, remote, refs, guard, signal);
  });
  return new Map(
    listed
      .split('\n')
      .filter((line) => line.includes('\t'))
      .map((line) => {
        const [commit = '', name = ''] = line.split('\t');
        return [name, commit];
      }),
  );
}

/** Lists refs of the server at `at`; sends credentials only to the origin of the remote's own URL. */
async function askRemote(
  at: string,
  { url, authorization }: GitRemote,
  refs: readonly string[],
  guard: GitGuard,
  signal: AbortSignal,
): Promise<string> {
  const reached = await reach(at, guard);
  const end = await runGit(['ls-remote', '--', reached.url, ...refs], {
    cwd: '/',
    env: gitEnvironment({ ...reached, config: { ...reached.config, ...authorizing(url, authorization) } }),
    timeoutMs: TIMEOUT_MS,
    maxFileBytes: 0,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    signal,
  });
  const query: GitQuery = {
    url: at,
    timeoutMs: TIMEOUT_MS,
    maxBytes: MAX_OUTPUT_BYTES,
    credentials: `store some with kiln git-token set ${new URL(url).host}, or pass a secret GIT_AUTH_TOKEN`,
  };
  if (!end.ok) throw explain(query, end);
  if (end.isCut) throw sendsTooMuch(query);
  return end.output.toString();
}
