import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type CommandEnd, endOf } from '../../support/command.ts';
import { KilnCommand } from '../../support/kiln-command.ts';
import type { Pool } from '../../support/pool/pool.ts';

/** Builds with these flags, as a user would in this directory. */
export type Program = (cwd: string, ...flags: readonly string[]) => Promise<CommandEnd>;

/** Variables of the user's. */
const ENV = { FROM_ENV: 'of the environment', SECRET_ENV: 'also secret' };

/** `docker buildx build` and `kiln build`, each with the environment of a user. @param home the user's home directory, which this creates */
export async function bothPrograms(pool: Pool, home: string): Promise<Readonly<Record<'buildx' | 'kiln', Program>>> {
  const kiln = await KilnCommand.of(pool, home);
  const env = { ...ENV, HOME: home, NO_COLOR: '1' };
  // Its errors have other words then.
  const experimental = (flags: readonly string[]) => flags.some((flag) => flag.startsWith('--print'));
  return {
    buildx: (cwd, ...flags) =>
      endOf('docker', ['buildx', '--builder', 'default', 'build', ...flags], {
        cwd,
        env: { ...env, ...(experimental(flags) && { BUILDX_EXPERIMENTAL: '1' }) },
      }),
    kiln: (cwd, ...flags) => kiln.endWith(ENV, cwd, 'build', ...flags),
  };
}

/** Makes a directory that is removed at the end of the test, also if not everything in it lets its owner remove it. */
export async function testDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-same-'));
  onTestFinished(async () => {
    await endOf('chmod', ['-R', 'u+rwX', dir]);
    await rm(dir, { recursive: true, force: true });
  });
  return dir;
}
