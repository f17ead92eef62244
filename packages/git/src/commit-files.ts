import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCommit } from '@kiln/domain';
import { explain, type GitQuery } from './explain.ts';
import { authorizing, gitEnvironment } from './git-environment.ts';
import { GitFailed } from './git-failed.ts';
import { requireGit } from './git-version.ts';
import { type GitGuard, reach } from './reach.ts';
import { type GitRun, runGit } from './run-git.ts';

/** User name and password, or token, for HTTP basic authentication. */
export interface GitCredentials {
  readonly user: string;
  readonly token: string;
}

export interface GitSource {
  readonly url: string;
  /** A commit, or a full ref. */
  readonly ref: string;
  /** Value of the Authorization header, instead of `credentials`. */
  readonly authorization?: string | undefined;
  readonly credentials?: GitCredentials | undefined;
}

export interface GitLimits {
  /** Time-out of each git command. */
  readonly timeoutMs: number;
  /** Most that the server may send per fetch. */
  readonly maxFetchBytes: number;
  /** Keeps git from reaching addresses of this network. */
  readonly guard: Pick<GitGuard, 'check'>;
}

/** One commit, whose files are fetched when they are read. Disposing of it removes everything that was fetched. */
export interface CommitFiles extends AsyncDisposable {
  readonly commit: string;
  /** Reads a file, at most its first `maxBytes`; undefined if the commit has no such file. @throws GitFailed */
  read(path: string, maxBytes: number): Promise<{ text: string; isWhole: boolean } | undefined>;
  /** Whether a path is a plain file: neither a link nor below one; undefined if the commit has no such path. @throws GitFailed */
  isPlainFile(path: string): Promise<boolean | undefined>;
  /** Lists the paths in which the commit differs from another one; undefined if that can't be determined. */
  changedSince(commit: string): Promise<string[] | undefined>;
  /** Lists the paths changed since the commit forked from a branch; undefined if that can't be determined. */
  changedOn(branch: string): Promise<string[] | undefined>;
}

const HEAD = 'refs/kiln/head';
const BASE = 'refs/kiln/base';
const FILTER = '--filter=blob:none';
/** How many commits of either side are searched for the fork point. */
const HISTORY_DEPTH = 200;
const MAX_PATHS_BYTES = 8 * 1024 * 1024;
/** Lower than that of processes which answer requests. */
const NICENESS = 10;

/**
 * Fetches one commit at depth 1 and without files, into a temporary directory.
 * @throws GitFailed @throws the signal's reason
 */
export async function openCommit(source: GitSource, limits: GitLimits, signal: AbortSignal): Promise<CommitFiles> {
  await requireGit();
  const reached = await reach(source.url, limits.guard);
  await using stack = new AsyncDisposableStack();
  const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-fetch-')), (path) =>
    rm(path, { recursive: true, force: true, maxRetries: 3 }),
  );
  // git doesn't fetch the history of a commit that it already has without it, hence a separate repository.
  const history = join(dir, 'history');
  await mkdir(history);
  await Promise.all([makeRepository(dir, reached.url), makeRepository(history, reached.url)]);
  const base: GitRun = {
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
  const git = (args: readonly string[], more: Partial<GitRun> = {}) =>
    runGit(['--git-dir=.', ...args], { ...base, ...more });
  const fetch = (refspecs: readonly string[], depth = 1, cwd = dir) =>
    git(['fetch', '--quiet', '--no-tags', `--depth=${depth}`, FILTER, 'origin', ...refspecs], { cwd });

  const fetched = await fetch([`+${source.ref}:${HEAD}`]);
  if (!fetched.ok) throw explain(query, fetched);
  const named = isCommit(source.ref) ? undefined : await git(['rev-parse', '--verify', '--quiet', `${HEAD}^{commit}`]);
  if (named?.ok === false) {
    throw new GitFailed('ref_missing', `${source.ref} of ${source.url} is not a commit`, false);
  }
  const commit = named?.output.toString().trim() ?? source.ref;

  const difference = async (from: string, cwd: string): Promise<string[] | undefined> => {
    const compared = await git(['diff-tree', '-r', '-z', '--name-only', '--no-renames', from, HEAD], {
      cwd,
      maxOutputBytes: MAX_PATHS_BYTES,
    });
    if (!compared.ok || compared.isCut) return undefined;
    return compared.output
      .toString()
      .split('\0')
      .filter((path) => path !== '');
  };
  const kept = stack.move();
  return {
    commit,
    async read(path, maxBytes) {
      const name = path.replace(/^(?:\.\/)+/, '');
      const found = await git(['cat-file', '--batch'], {
        stdin: `${HEAD}:${name}\n`,
        maxOutputBytes: maxBytes + 200,
      });
      if (!found.ok) throw explain(query, found);
      return blobOf(found.output, maxBytes);
    },
    async isPlainFile(path) {
      const listed = await git(['ls-tree', '-z', '--full-tree', HEAD, '--', path]);
      if (!listed.ok) throw explain(query, listed);
      const entry = listed.output
        .toString()
        .split('\0')
        .find((line) => line.slice(line.indexOf('\t') + 1) === path);
      if (entry !== undefined) return entry.startsWith('100');
      return (await isBelowLink(path, git)) ? false : undefined;
    },
    async changedSince(other) {
      const before = await fetch([`+${other}:${BASE}`]);
      return before.ok ? difference(BASE, dir) : undefined;
    },
    async changedOn(branch) {
      const wanted = [`+refs/heads/${branch}:${BASE}`, `+${source.ref}:${HEAD}`];
      const both = await fetch(wanted, HISTORY_DEPTH, history);
      const left = both.ok ? await git(['merge-base', BASE, HEAD], { cwd: history }) : both;
      return left.ok ? difference(left.output.toString().trim(), history) : undefined;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Whether a parent directory of the path is a link, which git itself doesn't follow. */
async function isBelowLink(
  path: string,
  git: (args: readonly string[]) => ReturnType<typeof runGit>,
): Promise<boolean> {
  const parts = path.split('/');
  const above = parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'));
  if (above.length === 0) return false;
  const listed = await git(['ls-tree', '-z', '--full-tree', HEAD, '--', ...above]);
  return (
    listed.ok &&
    listed.output
      .toString()
      .split('\0')
      .some((line) => line.startsWith('120000 '))
  );
}

/** Creates the parts of a bare repository that git needs, with a remote from which missing files are fetched. */
async function makeRepository(dir: string, url: string): Promise<void> {
  const config = [
    '[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tpartialClone = origin',
    `[remote "origin"]\n\turl = ${JSON.stringify(url)}\n\tpromisor = true\n\tpartialclonefilter = blob:none\n`,
  ];
  await Promise.all([mkdir(join(dir, 'objects')), mkdir(join(dir, 'refs'))]);
  await Promise.all([
    writeFile(join(dir, 'HEAD'), 'ref: refs/heads/none\n'),
    writeFile(join(dir, 'config'), config.join('\n')),
  ]);
}

/** Parses `<id> blob <size>\n<bytes>\n`; undefined for `<name> missing` and for directories. */
function blobOf(output: Buffer, maxBytes: number): { text: string; isWhole: boolean } | undefined {
  const end = output.indexOf(10);
  const [, size] = /^[0-9a-f]+ blob (\d+)$/.exec(output.subarray(0, end).toString()) ?? [];
  if (size === undefined) return undefined;
  const bytes = Math.min(Number(size), maxBytes);
  return { text: output.subarray(end + 1, end + 1 + bytes).toString(), isWhole: bytes === Number(size) };
}

/** The Authorization header with which a source is fetched, if any. */
export function authorizationOf({
  authorization,
  credentials,
}: Pick<GitSource, 'authorization' | 'credentials'>): string | undefined {
  if (authorization !== undefined || !credentials) return authorization;
  return `Basic ${Buffer.from(`${credentials.user}:${credentials.token}`).toString('base64')}`;
}
