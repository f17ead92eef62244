import { execFile } from 'node:child_process';
import { cp, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const WEB = fileURLToPath(new URL('../../../apps/web/', import.meta.url));

/** Copies the page into `dir`, built again if its sources have changed. Returns the modules that it was made of. @throws if it can't be built */
export async function addPage(dir: string): Promise<readonly string[]> {
  await promisify(execFile)('bash', [join(WEB, 'build')]);
  const dist = join(WEB, 'dist');
  // The hidden files are about the build.
  await cp(dist, dir, { recursive: true, filter: (path) => path === dist || !basename(path).startsWith('.') });
  return JSON.parse(await readFile(join(dist, '.modules.json'), 'utf8')) as readonly string[];
}
