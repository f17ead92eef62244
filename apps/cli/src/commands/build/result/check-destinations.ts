import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UsageError } from '../../../io/errors.ts';
import type { Io } from '../../../io/output.ts';
import type { OutputPlan } from '../request/output-flag.ts';

/** Files and directories that `kiln build` writes after the build. */
export interface Destinations {
  readonly 'metadata-file': string | undefined;
  readonly iidfile: string | undefined;
  readonly plan: Pick<OutputPlan, 'destinations'>;
  readonly cwd: string;
  readonly env: Io['env'];
}

/** Checks that all results can be written, so that no build runs in vain. @throws UsageError */
export async function checkDestinations({
  plan: { destinations = [] },
  cwd,
  env,
  ...files
}: Destinations): Promise<void> {
  for (const name of ['metadata-file', 'iidfile'] as const) {
    const path = files[name];
    if (path !== undefined) await checkFile(`--${name}`, path, cwd);
  }
  for (const destination of destinations) {
    if (destination.type === 'file') await checkFile('--output', destination.path, cwd);
    if (destination.type === 'directory') await checkDirectory('--output', destination.path, cwd);
    if (destination.type === 'engine') {
      const { checkEngine } = await import('./client-engine.ts');
      await checkEngine(destination, env);
    }
  }
}

async function checkFile(flag: string, path: string, cwd: string): Promise<void> {
  const full = resolve(cwd, path);
  const found = await stat(full).catch(() => undefined);
  if (found?.isDirectory()) throw new UsageError(`${flag} ${path}: is a directory, expected a file`);
  if (found && !found.isFile()) return demandWritable(`${flag} ${path}`, full);
  const directory = dirname(full);
  const parent = await stat(directory).catch(() => undefined);
  if (!parent) throw new UsageError(`${flag} ${path}: the directory ${directory} doesn't exist`);
  if (!parent.isDirectory()) throw new UsageError(`${flag} ${path}: ${directory} is not a directory`);
  await demandWritable(`${flag} ${path}`, found ? full : directory);
}

/** The directory and those above it are made if they are missing. */
async function checkDirectory(flag: string, path: string, cwd: string): Promise<void> {
  for (let full = resolve(cwd, path); ; full = dirname(full)) {
    const found = await stat(full).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw new UsageError(`${flag} ${path}: ${error.message}`);
    });
    if (!found) continue;
    if (!found.isDirectory()) throw new UsageError(`${flag} ${path}: ${full} is not a directory`);
    return demandWritable(`${flag} ${path}`, full);
  }
}

async function demandWritable(what: string, path: string): Promise<void> {
  await access(path, constants.W_OK).catch((error: Error) => {
    throw new UsageError(`${what}: ${path} is not writable: ${error.message}`);
  });
}
