import { posix } from 'node:path';
import type { GitCheckout } from '@kiln/buildkit';
import { type GitEntry, GitFailed } from '@kiln/git';
import { byteString } from '@kiln/trees';
import { CommitTree } from './commit-tree.ts';
import type { GitMirrors } from './git-mirrors.ts';

export interface CommitPlace {
  readonly url: string;
  readonly commit: string;
  readonly subdir?: string | undefined;
  /** Value of the Authorization header. */
  readonly authorization: string | undefined;
  /** Relative to `subdir`. */
  readonly dockerfile: string;
}

/**
 * Fetches a commit into this host's mirror of its repository, and returns its tree; or why only a checkout by BuildKit itself gives what it would build
 * from. What git can't fetch is left to BuildKit, too, which reports it in its own words. @throws the signal's reason
 */
export async function checkOutCommit(
  mirrors: Pick<GitMirrors, 'commit'>,
  domain: string,
  { url, commit: ref, subdir = '', authorization, dockerfile }: CommitPlace,
  signal: AbortSignal,
): Promise<GitCheckout | { readonly instead: string }> {
  await using left = new AsyncDisposableStack();
  let held: Awaited<ReturnType<GitMirrors['commit']>>;
  try {
    held = left.use(await mirrors.commit(domain, { url, ref, authorization }, signal));
  } catch (error) {
    if (!(error instanceof GitFailed)) throw error;
    return { instead: error.message };
  }
  const { commit } = held;
  const odd = notPlain(commit.entries);
  if (odd !== undefined) return { instead: odd };
  const at = pathOf(subdir);
  const tree = await CommitTree.of(commit, at);
  if (!tree) return { instead: `the commit has no directory ${subdir}` };
  if ('instead' in tree) return tree;
  left.use(tree);
  const found = dockerfileIn(tree, pathOf(dockerfile));
  if (found === undefined) return { instead: `the commit has no plain file ${dockerfile}` };
  const kept = left.move();
  return { tree, dockerfile: found, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const DOT_GIT = /(?:^|\/)\.git(?:$|\/)/i;
/** As many as an uploaded context may have by default: all of them are kept in memory. */
const MAX_ENTRIES = 500_000;

/** A server can send trees that git itself would never make. */
function notPlain(entries: readonly GitEntry[]): string | undefined {
  if (entries.length > MAX_ENTRIES) return `it has ${entries.length} entries, more than ${MAX_ENTRIES}`;
  const types = new Map<string, GitEntry['type']>([['', 'directory']]);
  for (const { path, type } of entries) {
    if (type === 'submodule') return 'it has submodules';
    // Git refuses to check such a name out.
    if (DOT_GIT.test(path)) return 'it has a file called .git';
    // Neither two entries of one name nor a name that leads anywhere else: what is written through a link leaves the tree.
    const isPlain = types.get(parentOf(path)) === 'directory' && !types.has(path);
    if (!isPlain || path.length > MAX_PATH_BYTES || !isName(path.slice(path.lastIndexOf('/') + 1)))
      return `it has an entry that git would not check out: ${JSON.stringify(path.slice(0, MAX_SHOWN))}`;
    types.set(path, type);
  }
  return undefined;
}

const MAX_SHOWN = 200;
/** NAME_MAX and PATH_MAX, without the final zero byte. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 4095;

function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && name.length <= MAX_NAME_BYTES;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** As BuildKit finds it: `dockerfile` if there is no `Dockerfile`. Links are left to BuildKit. */
function dockerfileIn({ listing }: CommitTree, path: string): string | undefined {
  const { dir, base } = posix.parse(path);
  const names = base === 'Dockerfile' ? [path, posix.join(dir, 'dockerfile')] : [path];
  return names.find((name) => {
    const bytes = byteString(name);
    return listing.some((entry) => entry.path === bytes && entry.type === 'file');
  });
}

function pathOf(text: string): string {
  return posix
    .normalize(text)
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}
