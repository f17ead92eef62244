import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { authorizationOf, type GitLimits, type GitSource } from './commit-files.ts';
import { explain, type GitQuery } from './explain.ts';
import { authorizing, gitEnvironment } from './git-environment.ts';
import { GitFailed } from './git-failed.ts';
import { requireGit } from './git-version.ts';
import { reach } from './reach.ts';
import { type GitEnd, type GitRun, runGit } from './run-git.ts';

/** The files of a commit as a tar on disk. Disposing of it removes the tar. */
export interface CommitArchive extends AsyncDisposable {
  tar(): Readable;
}

const HEAD = 'refs/kiln/head';
const NICENESS = 10;

/**
 * Fetches a commit with its files, and packs those below `subdir` (default: all). Submodules are empty directories.
 * @throws GitFailed `subdir_missing` and others @throws the signal's reason
 */
export async function archiveCommit(
  source: GitSource,
  subdir: string | undefined,
  limits: GitLimits,
  signal: AbortSignal,
): Promise<CommitArchive> {
  await requireGit();
  const reached = await reach(source.url, limits.guard);
  await using stack = new AsyncDisposableStack();
  const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-archive-')), (path) =>
    rm(path, { recursive: true, force: true, maxRetries: 3 }),
  );
  await makeRepository(dir);
  const run: GitRun = {
    cwd: dir,
    env: gitEnvironment({
      ...reached,
      config: { ...reached.config, ...authorizing(source.url, authorizationOf(source)) },
    }),
    timeoutMs: limits.timeoutMs,
    maxFileBytes: limits.maxFetchBytes,
    maxOutputBytes: 1024 * 1024,
    niceness: NICENESS,
    signal,
  };
  const query: GitQuery = {
    ...{ url: source.url, ref: source.ref, timeoutMs: limits.timeoutMs, maxBytes: limits.maxFetchBytes },
    credentials: 'set the connection’s gitToken',
  };
  const git = (...args: readonly string[]): Promise<GitEnd> => runGit(['--git-dir=.', ...args], run);
  const succeed = async (ending: Promise<GitEnd>) => {
    const end = await ending;
    if (!end.ok) throw explain(query, end);
  };
  await succeed(git('fetch', '--quiet', '--no-tags', '--depth=1', reached.url, `+${source.ref}:${HEAD}`));
  const tree = `${HEAD}:${subdir ?? ''}`;
  const type = await git('cat-file', '-t', tree);
  if (!type.ok || type.output.toString().trim() !== 'tree') {
    throw new GitFailed('subdir_missing', `${source.ref} of ${source.url} has no directory ${subdir ?? ''}`, false);
  }
  const path = join(dir, 'context.tar');
  await succeed(git('archive', '--format=tar', `--output=${path}`, tree));
  const kept = stack.move();
  return {
    tar: () => createReadStream(path),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** A bare repository. Its attributes override those of the commit that would leave files out of the archive, or change them. */
async function makeRepository(dir: string): Promise<void> {
  await Promise.all(['objects', 'refs', 'info'].map((name) => mkdir(join(dir, name))));
  await Promise.all([
    writeFile(join(dir, 'HEAD'), 'ref: refs/heads/none\n'),
    writeFile(join(dir, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = true\n'),
    writeFile(join(dir, 'info', 'attributes'), '* -export-ignore -export-subst\n'),
  ]);
}
