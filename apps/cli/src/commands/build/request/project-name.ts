import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { repoKey } from '@kiln/domain';

const run = promisify(execFile);
const GIT_TIMEOUT_MS = 5_000;
const MAX_CHARS = 255;

/**
 * Returns the name under which builds of a directory share caches: its git remote and its path in the repository, so that
 * every checkout on every machine gets the same name. Without git, the name of the directory.
 */
export async function projectName(root: string, directoryName: string): Promise<string> {
  const [remote, subdir] = await Promise.all([
    git(root, ['config', '--get', 'remote.origin.url']),
    git(root, ['rev-parse', '--show-prefix']),
  ]);
  if (!remote) return allowed(directoryName);
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

/** Replaces the characters that the API doesn't allow in a name. */
function allowed(name: string): string {
  return (
    name
      .replace(/[^A-Za-z0-9._/:@-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, MAX_CHARS) || 'context'
  );
}
