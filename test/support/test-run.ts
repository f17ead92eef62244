import { spawn } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Waits for the end of stdin: of the run, however it ends. A signal that ends the run must not end this. */
const REMOVE = 'trap "" HUP INT TERM PIPE; cat >/dev/null; rm -rf "$1"';

/**
 * Begins a run of vitest: creates the directory of what its files share, see `oncePerRun`. Called for each project.
 * @returns a function that ends the run
 */
export default async function begin(): Promise<(() => void) | undefined> {
  if (process.env.KILN_TEST_RUN_DIR !== undefined) return undefined;
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-run-'));
  process.env.KILN_TEST_RUN_DIR = dir;
  const janitor = spawn('sh', ['-c', REMOVE, 'janitor', dir], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  janitor.unref();
  // The run needn't wait until the many files are removed.
  return () => void janitor.stdin.end();
}
