import { execFileSync, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { freePort } from '@kiln/runtime/testing';

/** Serves the repositories below a directory, by git's own daemon, until it is disposed of. */
export class GitRemote implements AsyncDisposable {
  readonly #base: string;
  readonly #port: number;
  readonly #daemon: ReturnType<typeof spawn>;

  private constructor(base: string, port: number, daemon: ReturnType<typeof spawn>) {
    this.#base = base;
    this.#port = port;
    this.#daemon = daemon;
  }

  static async start(base: string): Promise<GitRemote> {
    // The daemon doesn't start without it.
    await mkdir(base, { recursive: true });
    const port = await freePort();
    const address = ['--listen=127.0.0.1', `--port=${port}`, `--base-path=${base}`];
    const daemon = spawn('git', ['daemon', '--reuseaddr', '--export-all', ...address], { stdio: 'ignore' });
    return new GitRemote(base, port, daemon);
  }

  /** Makes a directory a repository that BuildKit can fetch any commit from. */
  init(dir: string): void {
    git(dir, 'init', '--quiet', '--initial-branch=main');
    git(dir, 'config', 'uploadpack.allowAnySHA1InWant', 'true');
    git(dir, 'config', 'uploadpack.allowFilter', 'true');
    git(dir, 'config', 'gc.auto', '0');
  }

  /** Commits all that is there; returns the URL of the new commit. */
  commit(dir: string): string {
    git(dir, 'add', '--all');
    git(dir, 'commit', '--quiet', '--message=change');
    return `git://127.0.0.1:${this.#port}/${join(relative(this.#base, dir), '.git')}#${git(dir, 'rev-parse', 'HEAD')}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#daemon.kill();
  }
}

function git(cwd: string, ...args: readonly string[]): string {
  return execFileSync('git', ['-c', 'user.name=bench', '-c', 'user.email=bench@example.org', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}
