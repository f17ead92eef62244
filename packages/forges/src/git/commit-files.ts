import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCommit } from '@kiln/domain';
import { type GitCredentials, gitEnv } from './git-env.ts';
import { type GitEnd, type GitRun, runGit } from './run-git.ts';

export interface GitSource {
  readonly url: string;
  /** A commit, or a full ref. */
  readonly ref: string;
  readonly credentials?: GitCredentials | undefined;
}

export interface GitLimits {
  /** For each command. */
  readonly timeoutMs: number;
  /** Most that the other side may send at once. */
  readonly maxFetchBytes: number;
}

/** A repository that can't be read. `isPassing`: the same may succeed later. */
export class GitFailed extends Error {
  readonly code: 'repository_unreachable' | 'commit_missing';
  readonly isPassing: boolean;

  constructor(code: GitFailed['code'], message: string, isPassing: boolean) {
    super(message);
    this.code = code;
    this.isPassing = isPassing;
  }
}

/** One commit, without its files: those are fetched as they are read. Disposing of it removes what was fetched. */
export interface CommitFiles extends AsyncDisposable {
  readonly commit: string;
  /** The text of a file, its first `maxBytes` at most; undefined where the commit has none. @throws GitFailed */
  read(path: string, maxBytes: number): Promise<{ text: string; isWhole: boolean } | undefined>;
  /** Paths in which the commit differs from another one; undefined where that can't be told. */
  changedSince(commit: string): Promise<string[] | undefined>;
  /** Paths that were changed since the commit left a branch; undefined where that can't be told. */
  changedOn(branch: string): Promise<string[] | undefined>;
}

const HEAD = 'refs/kiln/head';
const BASE = 'refs/kiln/base';
const FILTER = '--filter=blob:none';
/** How far back the place is looked for where a branch was left: commits of either side. */
const HISTORY_DEPTH = 200;
const MAX_PATHS_BYTES = 8 * 1024 * 1024;

/**
 * Fetches one commit at depth 1 and without files, into a directory of its own.
 * @throws GitFailed @throws the signal's reason
 */
export async function openCommit(source: GitSource, limits: GitLimits, signal: AbortSignal): Promise<CommitFiles> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-fetch-')), (path) =>
    rm(path, { recursive: true, force: true, maxRetries: 3 }),
  );
  // A commit that was fetched without its history isn't fetched again with it: that has a place of its own.
  const history = join(dir, 'history');
  await mkdir(history);
  await Promise.all([makeRepository(dir, source.url), makeRepository(history, source.url)]);
  const base: GitRun = {
    cwd: dir,
    env: gitEnv(source.url, source.credentials),
    timeoutMs: limits.timeoutMs,
    maxFileBytes: limits.maxFetchBytes,
    maxOutputBytes: 1024 * 1024,
    signal,
  };
  const git = (args: readonly string[], more: Partial<GitRun> = {}) =>
    runGit(['--git-dir=.', ...args], { ...base, ...more });
  const fetch = (refspecs: readonly string[], depth = 1, cwd = dir) =>
    git(['fetch', '--quiet', '--no-tags', `--depth=${depth}`, FILTER, 'origin', ...refspecs], { cwd });

  const fetched = await fetch([`+${source.ref}:${HEAD}`]);
  if (!fetched.ok) throw failureOf(source.url, source.ref, fetched, limits);
  const named = isCommit(source.ref) ? undefined : await git(['rev-parse', '--verify', '--quiet', `${HEAD}^{commit}`]);
  if (named?.ok === false) {
    throw new GitFailed('commit_missing', `${source.ref} of ${source.url} is no commit`, false);
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
      if (!found.ok) throw failureOf(source.url, source.ref, found, limits);
      return blobOf(found.output, maxBytes);
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

/** What `git init --bare` makes, as far as git needs it, and a remote that hands out missing files. */
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

/** `<id> blob <size>\n<bytes>\n`, or `<name> missing`. A directory is no file. */
function blobOf(output: Buffer, maxBytes: number): { text: string; isWhole: boolean } | undefined {
  const end = output.indexOf(10);
  const [, size] = /^[0-9a-f]+ blob (\d+)$/.exec(output.subarray(0, end).toString()) ?? [];
  if (size === undefined) return undefined;
  const bytes = Math.min(Number(size), maxBytes);
  return { text: output.subarray(end + 1, end + 1 + bytes).toString(), isWhole: bytes === Number(size) };
}

/** Git's own words decide, because its exit code is 128 for everything; LC_ALL=C keeps them in English. */
function failureOf(url: string, ref: string, end: GitEnd & { ok: false }, limits: GitLimits): GitFailed {
  const { stderr, why } = end;
  if (why === 'timeout') {
    return new GitFailed('repository_unreachable', `${url} didn’t answer within ${limits.timeoutMs / 1000} s`, true);
  }
  if (why === 'too_large') {
    const most = `${Math.floor(limits.maxFetchBytes / (1024 * 1024))} MiB`;
    return new GitFailed('repository_unreachable', `${url} sends more than ${most} for one commit`, false);
  }
  if (/^.*git: (?:command )?not found$/m.test(stderr)) {
    return new GitFailed('repository_unreachable', 'git isn’t installed where Kiln’s API runs', false);
  }
  const said = /^(?:fatal|error|remote): (.*)$/m.exec(stderr)?.[1] ?? 'git failed without a word';
  if (
    /not our ref|couldn't find remote ref|unadvertised object|no such remote ref|reference is not a tree/i.test(stderr)
  ) {
    return new GitFailed('commit_missing', `${url} has no ${ref}: ${said}`, true);
  }
  if (
    /could not read (?:Username|Password)|Authentication failed|terminal prompts disabled|returned error: 40[13]/i.test(
      stderr,
    )
  ) {
    return new GitFailed(
      'repository_unreachable',
      `${url} wants credentials, or refuses the connection’s gitToken: ${said}`,
      false,
    );
  }
  const isGone = /repository '[^']*' not found|returned error: 404|unable to update url base from redirection/i.test(
    stderr,
  );
  return new GitFailed('repository_unreachable', `${url} can’t be read: ${said}`, !isGone);
}
