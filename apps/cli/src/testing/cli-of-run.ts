import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { oncePerRun } from '@kiln/buildkit/testing';
import { bundleApp, startFile } from '@kiln/bundle';

/**
 * Returns the file that starts `kiln`. In a run of vitest it is in a bundle, made once per run from the sources as they are then: from a bundle
 * `kiln worker` starts in a third of the CPU time. Elsewhere, it is in the sources.
 */
export async function cliOfRun(): Promise<string> {
  const bundle = await oncePerRun('cli', (path) => bundleApp('cli', path));
  return bundle === undefined ? fileURLToPath(new URL('../main.ts', import.meta.url)) : join(bundle, startFile('cli'));
}
