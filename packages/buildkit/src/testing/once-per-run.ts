import { existsSync } from 'node:fs';
import { mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 50;

/**
 * Makes something that all test files of a run share, when it is needed first; processes that need it meanwhile wait. It is removed when the
 * run ends, see `test/support/test-run.ts`.
 * @param make makes it as a file or directory with the given path
 * @returns its path; undefined outside a run of vitest, where nothing would remove it
 */
export async function oncePerRun(name: string, make: (path: string) => Promise<void>): Promise<string | undefined> {
  const dir = process.env.KILN_TEST_RUN_DIR;
  if (dir === undefined) return undefined;
  const [path, lock, done] = [join(dir, name), join(dir, `${name}.lock`), join(dir, `${name}.done`)];
  while (!existsSync(done)) {
    if (!(await taken(lock))) {
      await delay(POLL_MS);
      continue;
    }
    try {
      // The one who had the lock before may have made it.
      if (existsSync(done)) break;
      await make(path);
      await writeFile(done, '');
    } catch (error) {
      await rm(path, { recursive: true, force: true });
      throw error;
    } finally {
      await rmdir(lock);
    }
  }
  return path;
}

/** Whether this process has got the lock. */
async function taken(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
