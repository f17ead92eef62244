import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { authorizationOf, type GitLimits, type GitSource } from '../commit-files.ts';
import { explain, type GitQuery } from '../explain.ts';
import { authorizing, gitEnvironment } from '../git-environment.ts';
import { GitFailed } from '../git-failed.ts';
import { requireGit } from '../git-version.ts';
import { reach } from '../reach.ts';
import { type GitEnd, type GitRun, runGit } from '../run-git.ts';
import { CHECKOUTS, MirroredCommit } from './mirrored-commit.ts';

/** Refs keep fetched commits from being pruned, and tell the server what needn't be sent again. */
const COMMITS = 'refs/kiln/commits';
/** Commits that are kept, newest first: builds go back and forth between branches. */
const KEPT_COMMITS = 16;
/** A commit isn't forgotten while a build may still read it, ms. */
const IN_USE_MS = 3_600_000;
/** How long credentials that the server has accepted are used without asking again, ms. */
const ACCEPTED_MS = 600_000;
/** Each fetch leaves a pack; git becomes slow with many. */
const MAX_PACKS = 32;
const CONFIG = '[core]\n\trepositoryformatversion = 0\n\tbare = true\n[transfer]\n\tunpackLimit = 1\n';
/** A tree that names one other tree often lists millions of files. */
const MAX_LISTING_BYTES = 64 * 1024 * 1024;

/**
 * A bare repository on this machine that has the recent commits of one remote, so that a fetch transfers only what is new. Nothing in it is secret: neither
 * credentials nor the URL are ever written into it.
 */
export class GitMirror {
  readonly #dir: string;
  readonly #limits: GitLimits;
  readonly #now: () => number;
  /** When the server accepted these credentials, ms since the epoch, by their digest. */
  readonly #accepted = new Map<string, number>();
  /** Whether files were missing: the next build finds a new mirror. */
  #isSuspect = false;
  /** The last commit, which the next build often needs again. */
  #listed: MirroredCommit | undefined;
  /** Whether an earlier process's leftovers have been removed. */
  #isClean = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @param dir its directory, which is made when needed; no other process uses it at the same time */
  constructor(dir: string, limits: GitLimits, now: () => number = Date.now) {
    this.#dir = dir;
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * Returns a commit with all of its files, fetched if it isn't here. A mirror that is found damaged, as after a power failure, is recreated.
   * @param source `ref` is the commit @throws GitFailed @throws the signal's reason
   */
  async commit(source: GitSource, signal: AbortSignal): Promise<MirroredCommit> {
    await requireGit();
    return await this.#alone(async () => {
      if (this.#isSuspect) await this.#remove();
      await this.#prepare();
      if (await this.#has(source.ref)) await this.#requireAccess(source, signal);
      else await this.#fetch(source, signal);
      const found = await this.#list(source.ref, signal);
      if (found) return found;
      await this.#remove();
      await this.#prepare();
      await this.#fetch(source, signal);
      const again = await this.#list(source.ref, signal);
      if (!again) throw new GitFailed('unreachable', `${source.url} sent ${source.ref} without its files`, true);
      return again;
    });
  }

  /** Bytes that the mirror takes. */
  async sizeBytes(): Promise<number> {
    const files = await readdir(this.#dir, { recursive: true, withFileTypes: true }).catch(() => []);
    const sizes = await Promise.all(
      files.map(async (file) => (await stat(join(file.parentPath, file.name)).catch(() => undefined))?.size ?? 0),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** Fetches one after the other: a second one would transfer the same again. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work);
    this.#last = next.catch(() => {});
    return next;
  }

  /** Makes the parts of a bare repository that git needs. Existing files stay as they are, because others may be reading them. */
  async #prepare(): Promise<void> {
    if (!this.#isClean) {
      await rm(join(this.#dir, CHECKOUTS), { recursive: true, force: true });
      await this.#removeLeftovers();
      this.#isClean = true;
    }
    const dirs = ['objects/pack', 'refs', CHECKOUTS];
    await Promise.all(dirs.map((name) => mkdir(join(this.#dir, name), { recursive: true })));
    await writeNew(join(this.#dir, 'config'), CONFIG);
    // Git takes the directory for a repository only once this is there.
    await writeNew(join(this.#dir, 'HEAD'), 'ref: refs/heads/none\n');
  }

  /** Removes what a fetch that was killed left: locks, which would make every later one fail, and beginnings of packs. */
  async #removeLeftovers(): Promise<void> {
    for (const name of ['', 'refs', 'objects']) {
      const files = await readdir(join(this.#dir, name), { recursive: name !== '', withFileTypes: true }).catch(
        () => [],
      );
      const left = files.filter((file) => file.isFile() && /\.lock$|^tmp_/.test(file.name));
      await Promise.all(left.map((file) => rm(join(file.parentPath, file.name), { force: true })));
    }
  }

  async #remove(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true, maxRetries: 3 });
    this.#listed = undefined;
    this.#isSuspect = false;
  }

  /** Whether a commit was fetched. Only this class writes refs, and always as files: starting git to read one takes longer than the rest. */
  async #has(commit: string): Promise<boolean> {
    const now = new Date();
    try {
      await utimes(join(this.#dir, COMMITS, commit), now, now);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  /** Makes sure that the server would send the commit to these credentials, too: another build, with others, may have fetched it. @throws GitFailed */
  async #requireAccess(source: GitSource, signal: AbortSignal): Promise<void> {
    const at = this.#accepted.get(credentialsKey(source));
    if (at !== undefined && this.#now() - at < ACCEPTED_MS) return;
    await this.#ask(source, (url) => ['ls-remote', '--quiet', url, 'HEAD'], signal);
  }

  /** Fetches without history: what the server sends is the commit, less what the kept commits have. */
  async #fetch(source: GitSource, signal: AbortSignal): Promise<void> {
    const to = `+${source.ref}:${COMMITS}/${source.ref}`;
    const options = ['--quiet', '--no-tags', '--no-write-fetch-head', '--depth=1'];
    await this.#ask(source, (url) => ['fetch', ...options, url, to], signal);
    await this.#tidy(signal);
  }

  async #ask(source: GitSource, command: (url: string) => readonly string[], signal: AbortSignal): Promise<void> {
    const reached = await reach(source.url, this.#limits.guard);
    const config = { ...reached.config, ...authorizing(source.url, authorizationOf(source)) };
    let end: GitEnd | undefined;
    try {
      end = await this.#git(command(reached.url), signal, gitEnvironment({ ...reached, config }));
    } finally {
      if (!end?.ok) await this.#removeLeftovers();
    }
    if (!end.ok) {
      const { timeoutMs, maxFetchBytes } = this.#limits;
      const query: GitQuery = {
        ...{ url: source.url, ref: source.ref, timeoutMs, maxBytes: maxFetchBytes },
        credentials: 'set the secret GIT_AUTH_TOKEN',
      };
      throw explain(query, end);
    }
    this.#accepted.set(credentialsKey(source), this.#now());
  }

  /** Forgets old commits, and joins the packs when there are many. */
  async #tidy(signal: AbortSignal): Promise<void> {
    const dir = join(this.#dir, COMMITS);
    const commits = await Promise.all(
      (await readdir(dir).catch(() => [])).map(async (name) => ({ name, at: (await stat(join(dir, name))).mtimeMs })),
    );
    const old = commits
      .sort((a, b) => b.at - a.at)
      .slice(KEPT_COMMITS)
      .filter(({ at }) => this.#now() - at > IN_USE_MS);
    await Promise.all(old.map(({ name }) => rm(join(dir, name), { force: true })));
    const packs = (await readdir(join(this.#dir, 'objects', 'pack'))).filter((name) => name.endsWith('.pack'));
    if (packs.length > MAX_PACKS) await this.#git(['repack', '-a', '-d', '--quiet'], signal);
  }

  async #list(commit: string, signal: AbortSignal): Promise<MirroredCommit | undefined> {
    const run = this.#run(signal, gitEnvironment({ protocol: 'https', config: {} }));
    const listed =
      this.#listed?.commit === commit
        ? this.#listed.with(run)
        : await MirroredCommit.list(run, commit, () => {
            this.#isSuspect = true;
          });
    this.#listed = listed;
    return listed;
  }

  #git(args: readonly string[], signal: AbortSignal, env?: NodeJS.ProcessEnv): Promise<GitEnd> {
    const run = this.#run(signal, env ?? gitEnvironment({ protocol: 'https', config: {} }));
    return runGit(['--git-dir=.', ...args], run);
  }

  #run(signal: AbortSignal, env: NodeJS.ProcessEnv): GitRun {
    const { timeoutMs, maxFetchBytes } = this.#limits;
    return { cwd: this.#dir, env, timeoutMs, maxFileBytes: maxFetchBytes, maxOutputBytes: MAX_LISTING_BYTES, signal };
  }
}

/** Writes a file, whole at once, unless it exists. */
async function writeNew(path: string, text: string): Promise<void> {
  if (await stat(path).catch(() => undefined)) return;
  const draft = `${path}.new`;
  await writeFile(draft, text);
  await rename(draft, path);
}

function credentialsKey(source: GitSource): string {
  return createHash('sha256')
    .update(authorizationOf(source) ?? '')
    .digest('hex');
}
