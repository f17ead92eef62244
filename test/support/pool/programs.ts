import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { oncePerRun } from '@kiln/buildkit/testing';
import { bundleApp, startFile } from '@kiln/bundle';
import type { Role } from './options.ts';

const ROLES = ['api', 'scheduler', 'worker'] as const satisfies readonly Role[];

/**
 * Returns the file that starts the processes of each role. In a run of vitest it is a bundle, made once per run from the sources as they are
 * then: from a bundle a process starts in less than half of the CPU time. Elsewhere, the sources.
 */
export async function programsOfRun(): Promise<Record<Role, string>> {
  const bundles = await oncePerRun('programs', async (path) => {
    for (const role of ROLES) await bundleApp(role, join(path, role));
  });
  const [api, scheduler, worker] = ROLES.map((role) =>
    bundles === undefined
      ? fileURLToPath(new URL(`../../../apps/${role}/src/main.ts`, import.meta.url))
      : join(bundles, role, startFile(role)),
  ) as [string, string, string];
  return { api, scheduler, worker };
}
