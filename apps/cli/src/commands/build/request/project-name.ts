import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { repoKey } from '@kiln/domain';

const run = promisify(execFile);
const GIT_TIMEOUT_MS = 5_000;
const MAX_CHARS = 255;

/**
 * The name under which a directory's builds share caches: its git remote and its place in the repository, so that any
 * checkout of it, on any machine, has the same; without git the directory's own name.
 */
export async function projectName(root: string, directoryName: string): Promise<string> {
  const remote = await git(root, ['config', '--get', 'remote.origin.url']);
  if (!remote) return allowed(directoryName);
  const subdir = await git(root, ['rev-parse', '--show-prefix']);
  return allowed(repoKey({ origin: remote, subdir, dockerfile: 'Dockerfile' }));
}

async function git(cwd: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run('git', ['-C', cwd, ...args], { timeout: GIT_TIMEOUT_MS });
    return stdout.trim();
  } catch {
    return '';
  }
}

/** Only what the API takes in a name. */
function allowed(name: string): string {
  return (
    name
      .replace(/[^A-Za-z0-9._/:@-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, MAX_CHARS) || 'context'
  );
}
